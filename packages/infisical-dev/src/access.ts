import { randomUUID } from 'node:crypto'

import type { Actor } from './auth.ts'
import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Membership, Memberships } from './memberships.ts'
import {
  builtInRoles,
  isAllowed,
  type Place,
  type Rule,
  type Stored,
  storedRules,
} from './permissions.ts'
import type { Roles } from './roles.ts'
import type { Store } from './store.ts'

/** Rules that a member has beside those of its roles. */
export interface Privilege {
  readonly id: string
  readonly membership_id: string
  readonly slug: string
  readonly rules: readonly Rule[]
  readonly created_at: number
  readonly updated_at: number
}

export interface Asked {
  readonly action: string
  readonly subject: string
  readonly place?: Place
}

/** Who may do what in a project. */
export interface Access {
  /** The rules of an actor in a project. @throws {ApiError} 403 for an identity that is no member */
  rulesOf(actor: Actor, projectId: string): readonly Rule[]
  /** @throws {ApiError} 403 PermissionDenied */
  demand(actor: Actor, projectId: string, asked: Asked): void
  /** @throws {ApiError} 400 when the slug is taken */
  grant(membership: Membership, privilege: Pick<Privilege, 'slug' | 'rules'>): Privilege
  privileges(membership: Membership): readonly Privilege[]
}

export function createAccess(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly roles: Roles
  readonly memberships: Memberships
}): Access {
  const { store, clock, roles, memberships } = deps

  const privileges = (membership: Membership): readonly Privilege[] =>
    store
      .all<Stored<Privilege>>(
        'SELECT * FROM privileges WHERE membership_id = ? ORDER BY rowid',
        membership.id,
      )
      .map(({ permissions, ...privilege }) => ({ ...privilege, rules: storedRules(permissions) }))

  const roleRules = (membership: Membership): readonly Rule[] => {
    const custom = roles.list(membership.project_id)
    const rulesOfCustom = (id: string | null) => custom.find((role) => role.id === id)?.rules ?? []
    return memberships
      .roles(membership)
      .flatMap(({ role, custom_role_id: id }) => builtInRoles[role]?.rules ?? rulesOfCustom(id))
  }

  const rulesOf: Access['rulesOf'] = (actor, projectId) => {
    if (actor.type === 'user') return [{ subject: 'all', action: ['manage'] }]
    const membership = memberships.find(projectId, actor.identityId)
    if (!membership) throw refuse.notMember()
    return [...roleRules(membership), ...privileges(membership).flatMap(({ rules }) => rules)]
  }

  return {
    rulesOf,
    privileges,

    demand(actor, projectId, { action, ...asked }) {
      if (isAllowed(rulesOf(actor, projectId), action, asked)) return
      throw refuse.permission(action, asked.subject)
    },

    grant: (membership, { slug, rules }) =>
      store.atomically(() => {
        const isTaken = privileges(membership).some((privilege) => privilege.slug === slug)
        if (isTaken) throw refuse.privilegeTaken()
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
