import { isJsonObject } from '@keyturn/auth-core'
import { isInfisicalError } from './errors.ts'
import { createFolders, type Folders, type ProjectView } from './folders.ts'
import { checkPath } from './paths.ts'
import { parseSecret, parseSecrets, refuseApproval, type Secret } from './secret.ts'

export type { Secret } from './secret.ts'

/**
 * The secrets of one project and environment. Paths are `/` or `/auth/jwt`.
 *
 * Every method throws `InfisicalError`; writes may throw `approval_required`, and with
 * `details.outcomeUnknown` where the answer was lost and the write may have happened.
 */
export interface Secrets extends Folders {
  /**
   * The secrets of a folder, imports left out, references not expanded. `recursive` includes the
   * folders below, silently without those that the identity may not read. A missing folder has an
   * empty list too: see `folderExists`.
   */
  list(path: string, options?: { readonly recursive?: boolean }): Promise<readonly Secret[]>
  /** Undefined where the folder or the name is missing; a missing project still throws. */
  get(path: string, name: string): Promise<Secret | undefined>
  /** @throws {InfisicalError} `conflict` where the name is taken */
  create(path: string, name: string, value: string, comment?: string): Promise<Secret>
  /** @throws {InfisicalError} `not_found` where there is no such secret */
  update(path: string, name: string, value: string, comment?: string): Promise<Secret>
  /** @throws {InfisicalError} `not_found` where there is no such secret */
  remove(path: string, name: string): Promise<void>
  /** Creates all or none of `values` (by name) in one request. @throws as `create` */
  createMany(path: string, values: NamedValues, options?: BatchOptions): Promise<readonly Secret[]>
  /** Updates all or none of `values` (by name) in one request. @throws as `update` */
  updateMany(path: string, values: NamedValues, options?: BatchOptions): Promise<readonly Secret[]>
}

/** Values by the names of their secrets. */
export type NamedValues = Readonly<Record<string, string>>

/** What a batch write may say beside its values. */
export interface BatchOptions {
  /** Set on every secret of the batch. */
  readonly comment?: string | undefined
}

const ABSENT: ReadonlySet<unknown> = new Set(['missing_secret', 'missing_folder'])

/**
 * Gives access to the secrets of `view`. Reads and single writes are calls of the official SDK;
 * it has no batch, so these are requests with the same session.
 */
export function createSecrets(view: ProjectView): Secrets {
  const { session, projectId, environment } = view
  const at = (path: string) => ({ projectId, environment, secretPath: checkPath(path) })
  const asStored = { expandSecretReferences: false, includeImports: false, viewSecretValue: true }

  async function batch(
    method: 'POST' | 'PATCH',
    path: string,
    { values, comment }: BatchOptions & { readonly values: NamedValues },
  ): Promise<readonly Secret[]> {
    const secrets = Object.entries(values).map(([secretKey, secretValue]) => ({
      secretKey,
      secretValue,
      ...(comment !== undefined && { secretComment: comment }),
    }))
    if (secrets.length === 0) return []
    const body = { workspaceId: projectId, environment, secretPath: checkPath(path), secrets }
    const answer = await session.request({ method, path: '/api/v3/secrets/batch/raw', body })
    return writtenMany(answer, path)
  }

  return {
    ...createFolders(view),
    async list(path, { recursive = false } = {}) {
      const options = { ...at(path), ...asStored, recursive }
      return parseSecrets(await session.call((sdk) => sdk.secrets().listSecrets(options)), path)
    },
    async get(path, name) {
      try {
        const options = { ...at(path), ...asStored, secretName: name }
        return parseSecret(await session.call((sdk) => sdk.secrets().getSecret(options)), path)
      } catch (error) {
        if (isInfisicalError(error, 'not_found') && ABSENT.has(error.details.reason)) return
        throw error
      }
    },
    async create(path, name, value, comment) {
      const options = { ...at(path), ...written(value, comment) }
      return writtenOne(
        await session.call((sdk) => sdk.secrets().createSecret(name, options)),
        path,
      )
    },
    async update(path, name, value, comment) {
      const options = { ...at(path), ...written(value, comment) }
      return writtenOne(
        await session.call((sdk) => sdk.secrets().updateSecret(name, options)),
        path,
      )
    },
    async remove(path, name) {
      refuseApproval(await session.call((sdk) => sdk.secrets().deleteSecret(name, at(path))))
    },
    createMany: (path, values, options) => batch('POST', path, { ...options, values }),
    updateMany: (path, values, options) => batch('PATCH', path, { ...options, values }),
  }
}

function written(secretValue: string, comment: string | undefined) {
  return { secretValue, ...(comment !== undefined && { secretComment: comment }) }
}

function writtenOne(answer: unknown, path: string): Secret {
  refuseApproval(answer)
  return parseSecret(isJsonObject(answer) ? answer.secret : undefined, path)
}

function writtenMany(answer: unknown, path: string): readonly Secret[] {
  refuseApproval(answer)
  return parseSecrets(answer, path)
}
