import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import { createSecretRows, type NewSecret, type Secret, type SecretChange } from './secret-rows.ts'
import type { Store } from './store.ts'

/**
 * The secrets of a folder. The plural writes are one transaction each: all of them, or none.
 * Every write moves `version` and `updated_at`, also with an unchanged value.
 */
export interface Secrets {
  list(folderId: string): readonly Secret[]
  find(folderId: string, name: string): Secret | undefined
  /** @throws {ApiError} 400 when a name is taken */
  create(folderId: string, secret: NewSecret): Secret
  createAll(folderId: string, secrets: readonly NewSecret[]): readonly Secret[]
  /** @throws {ApiError} 404 when a name is missing */
  update(folderId: string, change: SecretChange): Secret
  updateAll(folderId: string, changes: readonly SecretChange[]): readonly Secret[]
  /** @throws {ApiError} 404 when a name is missing */
  remove(folderId: string, name: string): Secret
  removeAll(folderId: string, names: readonly string[]): readonly Secret[]
}

export function createSecrets(deps: { readonly store: Store; readonly clock: Clock }): Secrets {
  const { store } = deps
  const rows = createSecretRows(deps)
  const { find, findAll, insert, change, drop } = rows

  const refuseTakenName = (folderId: string, { name, newName }: SecretChange) => {
    if (newName !== undefined && newName !== name && find(folderId, newName)) {
      throw refuse.secretNewNameTaken()
    }
  }

  return {
    find,
    list: rows.list,

    create: (folderId, secret) =>
      store.atomically(() => {
        if (find(folderId, secret.name)) throw refuse.secretTaken()
        return insert(folderId, secret)
      }),

    createAll: (folderId, secrets) =>
      store.atomically(() => {
        const names = secrets.map(({ name }) => name)
        const taken = findAll(folderId, names).map(({ name }) => name)
        const repeated = names.filter((name, index) => names.indexOf(name) !== index)
        if (taken.length + repeated.length) throw refuse.secretsTaken([...taken, ...repeated])
        return secrets.map((secret) => insert(folderId, secret))
      }),

    update: (folderId, wanted) =>
      store.atomically(() => {
        const secret = find(folderId, wanted.name)
        if (!secret) throw refuse.secretToUpdateUnknown(wanted.name)
        refuseTakenName(folderId, wanted)
        return change(secret, wanted)
      }),

    updateAll: (folderId, changes) =>
      store.atomically(() => {
        const found = findAll(
          folderId,
          changes.map(({ name }) => name),
        )
        if (found.length !== changes.length) {
          throw refuse.secretsToUpdateUnknown(found.map(({ name }) => name))
        }
        return changes.map((wanted) => {
          const secret = find(folderId, wanted.name)
          if (!secret) throw refuse.secretToUpdateUnknown(wanted.name)
          refuseTakenName(folderId, wanted)
          return change(secret, wanted)
        })
      }),

    remove: (folderId, name) =>
      store.atomically(() => {
        const secret = find(folderId, name)
        if (!secret) throw refuse.secretUnknown(name, 'DeleteSecret')
        drop(secret)
        return secret
      }),

    removeAll: (folderId, names) =>
      store.atomically(() => {
        const found = findAll(folderId, names)
        if (found.length !== names.length) {
          throw refuse.secretsToDeleteUnknown(found.map(({ name }) => name))
        }
        for (const secret of found) drop(secret)
        return found
      }),
  }
}
