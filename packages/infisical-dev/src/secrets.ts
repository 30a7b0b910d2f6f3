import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Store } from './store.ts'

export interface Secret {
  readonly id: string
  readonly folder_id: string
  readonly name: string
  readonly value: string
  readonly comment: string
  readonly version: number
  readonly created_at: number
  readonly updated_at: number
}

export interface NewSecret {
  readonly name: string
  readonly value: string
  readonly comment?: string | undefined
}

/** What is absent stays as it is. */
export interface SecretChange {
  readonly name: string
  readonly newName?: string | undefined
  readonly value?: string | undefined
  readonly comment?: string | undefined
}

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
  const { store, clock } = deps

  const find = (folderId: string, name: string) =>
    store.get<Secret>('SELECT * FROM secrets WHERE folder_id = ? AND name = ?', folderId, name)

  // In the order of the names given; a name that is missing, or given twice, is not in the answer.
  const findAll = (folderId: string, names: readonly string[]) =>
    [...new Set(names)].flatMap((name) => find(folderId, name) ?? [])

  const insert = (folderId: string, { name, value, comment = '' }: NewSecret): Secret => {
    const nowMs = clock.nowMs()
    const secret: Secret = {
      id: randomUUID(),
      folder_id: folderId,
      name,
      value,
      comment,
      version: 1,
      created_at: nowMs,
      updated_at: nowMs,
    }
    store.run(
      'INSERT INTO secrets VALUES (?, ?, ?, ?, ?, 1, ?, ?)',
      ...[secret.id, folderId, name, value, comment, nowMs, nowMs],
    )
    return secret
  }

  const change = (secret: Secret, { newName, value, comment }: SecretChange): Secret => {
    const changed: Secret = {
      ...secret,
      name: newName ?? secret.name,
      value: value ?? secret.value,
      comment: comment ?? secret.comment,
      version: secret.version + 1,
      // Two writes within one millisecond still differ.
      updated_at: Math.max(clock.nowMs(), secret.updated_at + 1),
    }
    store.run(
      'UPDATE secrets SET name = ?, value = ?, comment = ?, version = ?, updated_at = ? WHERE id = ?',
      ...[changed.name, changed.value, changed.comment],
      ...[changed.version, changed.updated_at, secret.id],
    )
    return changed
  }

  const drop = (secret: Secret) => store.run('DELETE FROM secrets WHERE id = ?', secret.id)

  const refuseTakenName = (folderId: string, { name, newName }: SecretChange) => {
    if (newName !== undefined && newName !== name && find(folderId, newName)) {
      throw refuse.secretNewNameTaken()
    }
  }

  return {
    find,
    // By id, as the recorded server lists them.
    list: (folderId) =>
      store.all<Secret>('SELECT * FROM secrets WHERE folder_id = ? ORDER BY id', folderId),

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
