import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import { builtInRoles, type Rule, type Stored, storedRules } from './permissions.ts'
import type { Store } from './store.ts'

/** A role that a project made for itself. */
export interface Role {
  readonly id: string
  readonly project_id: string
  readonly slug: string
  readonly name: string
  readonly description: string | null
  readonly rules: readonly Rule[]
  readonly created_at: number
  readonly updated_at: number
}

export type NewRole = Pick<Role, 'slug' | 'name' | 'description' | 'rules'>

/** What is absent stays as it is. */
export interface RoleChange {
  readonly name?: string | undefined
  readonly description?: string | null | undefined
  readonly rules?: readonly Rule[] | undefined
}

/** The custom roles of projects. */
export interface Roles {
  list(projectId: string): readonly Role[]
  /** @throws {ApiError} 400 when the slug is taken */
  create(projectId: string, role: NewRole): Role
  /** `updated_at` stays, as recorded. @throws {ApiError} 404 */
  update(projectId: string, id: string, change: RoleChange): Role
}

export function createRoles(deps: { readonly store: Store; readonly clock: Clock }): Roles {
  const { store, clock } = deps

  const list = (projectId: string): readonly Role[] =>
    store
      .all<Stored<Role>>('SELECT * FROM roles WHERE project_id = ? ORDER BY rowid', projectId)
      .map(({ permissions, ...role }) => ({ ...role, rules: storedRules(permissions) }))

  return {
    list,

    create: (projectId, { slug, name, description, rules }) =>
      store.atomically(() => {
        const isTaken = slug in builtInRoles || list(projectId).some((role) => role.slug === slug)
        if (isTaken) throw refuse.roleTaken()
        const nowMs = clock.nowMs()
        const id = randomUUID()
        store.run(
          'INSERT INTO roles VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
          ...[id, projectId, slug, name, description, JSON.stringify(rules), nowMs, nowMs],
        )
        const times = { created_at: nowMs, updated_at: nowMs }
        return { id, project_id: projectId, slug, name, description, rules, ...times }
      }),

    update: (projectId, id, change) =>
      store.atomically(() => {
        const role = list(projectId).find((candidate) => candidate.id === id)
        if (!role) throw refuse.roleUnknown(id)
        const { name = role.name, description = role.description, rules = role.rules } = change
        store.run(
          'UPDATE roles SET name = ?, description = ?, permissions = ? WHERE id = ?',
          ...[name, description, JSON.stringify(rules), id],
        )
        return { ...role, name, description, rules }
      }),
  }
}
