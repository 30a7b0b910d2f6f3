import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import { builtInRoles } from './permissions.ts'
import type { Roles } from './roles.ts'
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

/** Which identities are in which project, and with which roles. */
export interface Memberships {
  find(projectId: string, identityId: string): Membership | undefined
  /** @throws {ApiError} 404 */
  get(projectId: string, identityId: string): Membership
  /** @throws {ApiError} 400 when it is a member already, 404 for an unknown role */
  join(projectId: string, identityId: string, role: string): Membership
  /** Replaces the roles of a member. @throws {ApiError} 404 for an unknown role */
  assign(membership: Membership, roles: readonly string[]): readonly MembershipRole[]
  roles(membership: Membership): readonly MembershipRole[]
}

export function createMemberships(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly roles: Roles
}): Memberships {
  const { store, clock, roles } = deps

  const find = (projectId: string, identityId: string) =>
    store.get<Membership>(
      'SELECT * FROM memberships WHERE project_id = ? AND identity_id = ?',
      projectId,
      identityId,
    )

  const assignOne = (membership: Membership, slug: string): MembershipRole => {
    const custom = roles.list(membership.project_id).find((role) => role.slug === slug)
    if (!custom && !(slug in builtInRoles)) throw refuse.roleUnknown(slug)
    const nowMs = clock.nowMs()
    const assigned: MembershipRole = {
      id: randomUUID(),
      membership_id: membership.id,
      role: custom ? 'custom' : slug,
      custom_role_id: custom?.id ?? null,
      created_at: nowMs,
      updated_at: nowMs,
    }
    store.run(
      'INSERT INTO membership_roles VALUES (?, ?, ?, ?, ?, ?)',
      ...[assigned.id, membership.id, assigned.role, assigned.custom_role_id, nowMs, nowMs],
    )
    return assigned
  }

  return {
    find,

    get(projectId, identityId) {
      const membership = find(projectId, identityId)
      if (!membership) throw refuse.membershipUnknown(identityId)
      return membership
    },

    join: (projectId, identityId, role) =>
      store.atomically(() => {
        if (find(projectId, identityId)) throw refuse.membershipTaken(identityId, projectId)
        const nowMs = clock.nowMs()
        const times = { created_at: nowMs, updated_at: nowMs }
        const id = randomUUID()
        const membership = { id, project_id: projectId, identity_id: identityId, ...times }
        store.run(
          'INSERT INTO memberships VALUES (?, ?, ?, ?, ?)',
          ...[id, projectId, identityId, nowMs, nowMs],
        )
        assignOne(membership, role)
        return membership
      }),

    assign: (membership, slugs) =>
      store.atomically(() => {
        store.run('DELETE FROM membership_roles WHERE membership_id = ?', membership.id)
        return slugs.map((slug) => assignOne(membership, slug))
      }),

    roles: (membership) =>
      store.all<MembershipRole>(
        'SELECT * FROM membership_roles WHERE membership_id = ?',
        membership.id,
      ),
  }
}
