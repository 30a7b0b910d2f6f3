import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import type { Store } from './store.ts'

export interface Folder {
  readonly id: string
  readonly environment_id: string
  readonly parent_id: string | null
  readonly name: string
  readonly created_at: number
  readonly updated_at: number
}

export interface Folders {
  /** The folder at a path of an environment, or `undefined`; doubled slashes count as one. */
  find(environmentId: string, path: string): Folder | undefined
  children(folderId: string): readonly Folder[]
  /** Every folder at or below `path`, with its own path. */
  below(
    environmentId: string,
    path: string,
  ): readonly { readonly id: string; readonly path: string }[]
  /** Creates the folder and those above it that are missing; an existing one is returned as it is. */
  create(environmentId: string, path: string): Folder
  /** Deletes the folder with everything in it. */
  remove(folderId: string): void
}

export function createFolders(deps: { readonly store: Store; readonly clock: Clock }): Folders {
  const { store, clock } = deps

  const root = (environmentId: string) =>
    store.get<Folder>(
      'SELECT * FROM folders WHERE environment_id = ? AND parent_id IS NULL',
      environmentId,
    )

  const child = (parentId: string, name: string) =>
    store.get<Folder>('SELECT * FROM folders WHERE parent_id = ? AND name = ?', parentId, name)

  const children = (folderId: string) =>
    store.all<Folder>(
      'SELECT * FROM folders WHERE parent_id = ? ORDER BY created_at, rowid',
      folderId,
    )

  const find = (environmentId: string, path: string): Folder | undefined => {
    let folder = root(environmentId)
    for (const name of segments(path)) folder = folder && child(folder.id, name)
    return folder
  }

  const add = (parent: Folder, name: string): Folder => {
    const nowMs = clock.nowMs()
    const folder: Folder = {
      id: randomUUID(),
      environment_id: parent.environment_id,
      parent_id: parent.id,
      name,
      created_at: nowMs,
      updated_at: nowMs,
    }
    store.run(
      'INSERT INTO folders VALUES (?, ?, ?, ?, ?, ?)',
      ...[folder.id, folder.environment_id, parent.id, name, nowMs, nowMs],
    )
    return folder
  }

  return {
    find,
    children,
    below(environmentId, path) {
      const top = find(environmentId, path)
      if (!top) return []
      const found = [{ id: top.id, path: `/${segments(path).join('/')}` }]
      // The list grows while it is walked: that is the walk.
      for (const { id, path: above } of found) {
        const prefix = above === '/' ? '' : above
        for (const { id: childId, name } of children(id)) {
          found.push({ id: childId, path: `${prefix}/${name}` })
        }
      }
      return found
    },
    create: (environmentId, path) =>
      store.atomically(() => {
        let folder = root(environmentId)
        if (!folder) throw new Error(`environment ${environmentId} has no root folder`)
        for (const name of segments(path)) folder = child(folder.id, name) ?? add(folder, name)
        return folder
      }),
    remove: (folderId) => void store.run('DELETE FROM folders WHERE id = ?', folderId),
  }
}

const segments = (path: string) => path.split('/').filter((name) => name !== '')
