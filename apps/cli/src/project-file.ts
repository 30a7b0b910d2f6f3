import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { usageError } from './cli-error.ts'

/**
 * `.infisical.json`, which the Infisical CLI reads too.
 *
 * ```json
 * { "workspaceId": "…", "defaultEnvironment": "prod", "gitBranchToEnvironmentMapping": null }
 * ```
 */
export interface ProjectFile {
  readonly workspaceId?: string
  readonly defaultEnvironment?: string
  readonly domain?: string
}

/** What became of the project file of the working folder. */
export type ProjectFileOutcome = 'created' | 'unchanged' | 'updated' | 'kept'

const NAME = '.infisical.json'

/**
 * Finds the project file in `folder` or the nearest folder above it, and reads it.
 *
 * @returns `undefined` where there is none
 * @throws {CliError} usage, for a file that is there and cannot be understood
 */
export async function findProjectFile(folder: string): Promise<ProjectFile | undefined> {
  const found = await readProjectFile(folder)
  if (found) return found
  const above = dirname(folder)
  return above === folder ? undefined : await findProjectFile(above)
}

/**
 * Writes the project file of `folder` where none is there. One that says something else is kept,
 * or updated where `replace` is set; what it holds besides stays.
 */
export async function writeProjectFile(
  folder: string,
  { workspaceId, defaultEnvironment }: { workspaceId: string; defaultEnvironment: string },
  replace: boolean,
): Promise<ProjectFileOutcome> {
  const present = await readProjectFile(folder)
  if (present?.workspaceId === workspaceId && present.defaultEnvironment === defaultEnvironment) {
    return 'unchanged'
  }
  if (present && !replace) return 'kept'
  const content = {
    gitBranchToEnvironmentMapping: null,
    ...present,
    workspaceId,
    defaultEnvironment,
  }
  await writeFile(join(folder, NAME), `${JSON.stringify(content, undefined, 4)}\n`)
  return present ? 'updated' : 'created'
}

async function readProjectFile(folder: string): Promise<ProjectFile | undefined> {
  const path = join(folder, NAME)
  const text = await readText(path)
  return text === undefined ? undefined : parseProjectFile(text, path)
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw usageError(`${path} cannot be read`, 'check the rights of the file, or remove it')
  }
}

function parseProjectFile(text: string, path: string): ProjectFile {
  const invalid = usageError(
    `${path} is a JSON object with workspaceId and defaultEnvironment, each a string`,
    'mend or remove the file; keyturn init writes a new one',
  )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid
  for (const name of ['workspaceId', 'defaultEnvironment', 'domain']) {
    const member: unknown = (value as Record<string, unknown>)[name]
    if (member !== undefined && typeof member !== 'string') throw invalid
  }
  return value
}
