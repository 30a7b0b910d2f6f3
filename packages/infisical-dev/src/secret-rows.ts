import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
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

/** The secrets of a folder, one row at a time; the caller holds the transaction. */
export interface SecretRows {
  /** By id, as the recorded server lists them. */
  list(folderId: string): readonly Secret[]
  find(folderId: string, name: string): Secret | undefined
  /** In the order of the names; one that is missing, or named before, is not in the answer. */
  findAll(folderId: string, names: readonly string[]): readonly Secret[]
  insert(folderId: string, secret: NewSecret): Secret
  /** Moves `version` and `updated_at`, also where nothing else changes. */
  change(secret: Secret, change: SecretChange): Secret
  drop(secret: Secret): void
}

export function createSecretRows(deps: {
  readonly store: Store
  readonly clock: Clock
}): SecretRows {
  const { store, clock } = deps

  const find = (folderId: string, name: string) =>
    store.get<Secret>('SELECT * FROM secrets WHERE folder_id = ? AND name = ?', folderId, name)

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

  const list = (folderId: string) =>
    store.all<Secret>('SELECT * FROM secrets WHERE folder_id = ? ORDER BY id', folderId)

  return { list, find, findAll, insert, change, drop }
}
