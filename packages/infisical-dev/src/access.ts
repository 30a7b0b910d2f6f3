import { randomUUID } from 'node:crypto'

import type { Actor } from './auth.ts'
import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import { builtInRoles, isAllowed, type Place, type Rule } from './permissions.ts'
import type { Store } from './store.ts'

export interface Membership {
  readonly id: string
  readonly project_id: string
  readonly identity_id: string
  readonly created_at: number
  readonly updated_at: number
}

export interface MembershipRole {
  readonly id: string
  readonly membership_id: string
  /** `custom` for a role of the project, whose id is then in `custom_role_id`. */
  readonly role: string
  readonly custom_role_id: string | null
  readonly created_at: number
  readonly updated_at: number
}

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

export interface Privilege {
  readonly id: string
  readonly membership_id: string
  readonly slug: string
  readonly rules: readonly Rule[]
  readonly created_at: number
  readonly updated_at: number
}

/** Who may do what in a project: memberships, their roles, and privileges beside the roles. */
export interface Access {
  /** The rules of an actor in a project. @throws {ApiError} 403 for an identity that is no member */
  rulesOf(actor: Actor, projectId: string): readonly Rule[]
  /** @throws {ApiError} 403 PermissionDenied */
  demand(actor: Actor, projectId: string, asked: Asked): void
  /** @throws {ApiError} 400 when it is a member already, 404 for an unknown role */
  join(projectId: string, identityId: string, role: string): Membership
  /** @throws {ApiError} 404 */
  membership(projectId: string, identityId: string): Membership
  /** Replaces the roles of a member. @throws {ApiError} 404 for an unknown role */
  assign(membership: Membership, roles: readonly string[]): readonly MembershipRole[]
  roles(projectId: string): readonly Role[]
  /** @throws {ApiError} 400 when the slug is taken */
  createRole(projectId: string, role: NewRules & RoleText): Role
  /** @throws {ApiError} 404 */
  updateRole(projectId: string, id: string, change: RoleChange): Role
  /** @throws {ApiError} 400 when the slug is taken */
  grant(membership: Membership, privilege: NewRules): Privilege
  privileges(membership: Membership): readonly Privilege[]
}

export interface Asked {
  readonly action: string
  readonly subject: string
  readonly place?: Place
}

interface NewRules {
  readonly slug: string
  readonly rules: readonly Rule[]
}

interface RoleText {
  readonly name: string
  readonly description: string | null
}

/** What is absent stays as it is. */
interface RoleChange {
  readonly name?: string | undefined
  readonly description?: string | null | undefined
  readonly rules?: readonly Rule[] | undefined
}

/** Rules are stored as JSON: `[{"subject":"secrets","action":["read"],"conditions":{…}}]`. */
type Stored<Value extends { readonly rules: readonly Rule[] }> = Omit<Value, 'rules'> & {
  readonly permissions: string
}

// The one place that reads stored rules back; they were validated before they were written.
const rulesFrom = (permissions: string) => JSON.parse(permissions) as readonly Rule[]

export function createAccess(deps: { readonly store: Store; readonly clock: Clock }): Access {
  const { store, clock } = deps

  const find = (projectId: string, identityId: string) =>
    store.get<Membership>(
      'SELECT * FROM memberships WHERE project_id = ? AND identity_id = ?',
      projectId,
      identityId,
    )

  const roles = (projectId: string): readonly Role[] =>
    store
      .all<Stored<Role>>('SELECT * FROM roles WHERE project_id = ? ORDER BY rowid', projectId)
      .map(({ permissions, ...role }) => ({ ...role, rules: rulesFrom(permissions) }))

  const privileges = (membership: Membership): readonly Privilege[] =>
    store
      .all<Stored<Privilege>>(
        'SELECT * FROM privileges WHERE membership_id = ? ORDER BY rowid',
        membership.id,
      )
      .map(({ permissions, ...privilege }) => ({ ...privilege, rules: rulesFrom(permissions) }))

  const roleRules = (membership: Membership): readonly Rule[] => {
    const custom = roles(membership.project_id)
    return store
      .all<MembershipRole>('SELECT * FROM membership_roles WHERE membership_id = ?', membership.id)
      .flatMap(
        ({ role, custom_role_id }) =>
          builtInRoles[role]?.rules ?? custom.find(({ id }) => id === custom_role_id)?.rules ?? [],
      )
  }

  const rulesOf: Access['rulesOf'] = (actor, projectId) => {
    if (actor.type === 'user') return builtInRoles.admin?.rules ?? []
    const membership = find(projectId, actor.identityId)
    if (!membership) throw refuse.notMember()
    return [...roleRules(membership), ...privileges(membership).flatMap(({ rules }) => rules)]
  }

  const assign: Access['assign'] = (membership, slugs) => {
    const custom = roles(membership.project_id)
    const nowMs = clock.nowMs()
    store.run('DELETE FROM membership_roles WHERE membership_id = ?', membership.id)
    return slugs.map((slug) => {
      const role = custom.find((candidate) => candidate.slug === slug)
      if (!role && !(slug in builtInRoles)) throw refuse.roleUnknown(slug)
      const assigned: MembershipRole = {
        id: randomUUID(),
        membership_id: membership.id,
        role: role ? 'custom' : slug,
        custom_role_id: role?.id ?? null,
        created_at: nowMs,
        updated_at: nowMs,
      }
      store.run(
        'INSERT INTO membership_roles VALUES (?, ?, ?, ?, ?, ?)',
        ...[assigned.id, membership.id, assigned.role, assigned.custom_role_id, nowMs, nowMs],
      )
      return assigned
    })
  }

  return {
    rulesOf,
    roles,
    privileges,
    assign: (membership, slugs) => store.atomically(() => assign(membership, slugs)),

    demand(actor, projectId, { action, ...asked }) {
      if (!isAllowed(rulesOf(actor, projectId), action, asked)) {
        throw refuse.permission(action, asked.subject)
      }
    },

    membership(projectId, identityId) {
      const membership = find(projectId, identityId)
      if (!membership) throw refuse.membershipUnknown(identityId)
      return membership
    },

    join: (projectId, identityId, role) =>
      store.atomically(() => {
        if (find(projectId, identityId)) throw refuse.membershipTaken(identityId, projectId)
        const nowMs = clock.nowMs()
        const membership: Membership = {
          id: randomUUID(),
          project_id: projectId,
          identity_id: identityId,
          created_at: nowMs,
          updated_at: nowMs,
        }
        store.run(
          'INSERT INTO memberships VALUES (?, ?, ?, ?, ?)',
          ...[membership.id, projectId, identityId, nowMs, nowMs],
        )
        assign(membership, [role])
        return membership
      }),

    createRole: (projectId, { slug, name, description, rules }) =>
      store.atomically(() => {
        const taken = slug in builtInRoles || roles(projectId).some((role) => role.slug === slug)
        if (taken) throw refuse.roleTaken()
        const nowMs = clock.nowMs()
        const id = randomUUID()
        store.run(
          'INSERT INTO roles VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
          ...[id, projectId, slug, name, description, JSON.stringify(rules), nowMs, nowMs],
        )
        const times = { created_at: nowMs, updated_at: nowMs }
        return { id, project_id: projectId, slug, name, description, rules, ...times }
      }),

    // `updated_at` stays: the recorded server does not move it.
    updateRole: (projectId, id, change) =>
      store.atomically(() => {
        const role = roles(projectId).find((candidate) => candidate.id === id)
        if (!role) throw refuse.roleUnknown(id)
        const { name = role.name, description = role.description, rules = role.rules } = change
        store.run(
          'UPDATE roles SET name = ?, description = ?, permissions = ? WHERE id = ?',
          ...[name, description, JSON.stringify(rules), id],
        )
        return { ...role, name, description, rules }
      }),

    grant: (membership, { slug, rules }) =>
      store.atomically(() => {
        const taken = privileges(membership).some((privilege) => privilege.slug === slug)
        if (taken) throw refuse.privilegeTaken()
        const nowMs = clock.nowMs()
        const id = randomUUID()
        store.run(
          'INSERT INTO privileges VALUES (?, ?, ?, ?, ?, ?)',
          ...[id, membership.id, slug, JSON.stringify(rules), nowMs, nowMs],
        )
        const times = { created_at: nowMs, updated_at: nowMs }
        return { id, membership_id: membership.id, slug, rules, ...times }
      }),
  }
}
