import { isInfisicalError } from './errors.ts'
import { checkPath, splitPath } from './paths.ts'
import type { Session } from './session.ts'

/** Where a project's secrets are, and who looks at them. */
export interface ProjectView {
  readonly session: Pick<Session, 'call' | 'request'>
  readonly projectId: string
  /** The slug of the environment, such as `prod`. */
  readonly environment: string
}

/** Folders of one project and environment. */
export interface Folders {
  /** Whether the folder is there. A list of secrets does not tell: of a missing one it is empty. */
  folderExists(path: string): Promise<boolean>
  /** Creates every missing folder of the path; does nothing where all are there. */
  ensureFolder(path: string): Promise<void>
}

/** Gives access to the folders of `view` through the official SDK. */
export function createFolders({ session, projectId, environment }: ProjectView): Folders {
  async function childNames(path: string): Promise<readonly string[]> {
    try {
      const listed = await session.call((sdk) =>
        sdk.folders().listFolders({ projectId, environment, path }),
      )
      return listed.map(({ name }) => name)
    } catch (error) {
      // Some servers answer an empty list for a missing parent, others this.
      const missing =
        isInfisicalError(error, 'not_found') && error.details.reason !== 'missing_project'
      if (missing) return []
      throw error
    }
  }

  async function folderExists(path: string): Promise<boolean> {
    if (checkPath(path) === '/') return true
    const { parent, name } = splitPath(path)
    return (await childNames(parent)).includes(name)
  }

  async function ensureFolder(path: string): Promise<void> {
    if (await folderExists(path)) return
    const { parent, name } = splitPath(path)
    // Where this identity may not write above, the server makes the missing parents by itself.
    await ensureFolder(parent).catch((error: unknown) => {
      if (!isInfisicalError(error, 'forbidden')) throw error
    })
    try {
      await session.call((sdk) =>
        sdk.folders().create({ projectId, environment, path: parent, name }),
      )
    } catch (error) {
      // Somebody else made it in between; older servers answer that with the folder itself.
      if (!isInfisicalError(error, 'conflict')) throw error
    }
  }

  return { folderExists, ensureFolder }
}
