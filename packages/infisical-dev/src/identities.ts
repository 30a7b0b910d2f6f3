import { randomUUID } from 'node:crypto'

import { hashClientSecret, newClientSecret } from './client-secrets.ts'
import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Store } from './store.ts'

export interface Identity {
  readonly id: string
  readonly name: string
  readonly created_at: number
  readonly updated_at: number
}

/** TTLs in seconds; 0 means without limit. */
export interface UniversalAuth {
  readonly id: string
  readonly identity_id: string
  readonly client_id: string
  readonly ttl: number
  readonly max_ttl: number
  readonly uses_limit: number
  readonly created_at: number
  readonly updated_at: number
}

export interface ClientSecret {
  readonly id: string
  readonly universal_auth_id: string
  readonly description: string
  readonly prefix: string
  readonly ttl: number
  readonly uses: number
  readonly uses_limit: number
  readonly revoked: number
  readonly created_at: number
  readonly updated_at: number
}

export interface TokenLimits {
  readonly ttl: number
  readonly maxTtl: number
  readonly usesLimit: number
}

export interface Identities {
  create(name: string): Identity
  /** @throws {ApiError} 404 */
  byId(id: string): Identity
  /** @throws {ApiError} 400 when it is there already */
  attachUniversalAuth(identityId: string, limits: TokenLimits): UniversalAuth
  /** The clear text is returned once; only its hash is stored. */
  createClientSecret(
    identityId: string,
    wanted: { readonly description: string; readonly ttl: number; readonly usesLimit: number },
  ): { readonly clientSecret: string; readonly stored: ClientSecret }
}

export function createIdentities(deps: {
  readonly store: Store
  readonly clock: Clock
}): Identities {
  const { store, clock } = deps

  const byId = (id: string): Identity => {
    const identity = store.get<Identity>('SELECT * FROM identities WHERE id = ?', id)
    if (!identity) throw refuse.identityUnknown(id)
    return identity
  }

  const universalAuthOf = (identityId: string) =>
    store.get<UniversalAuth>('SELECT * FROM universal_auths WHERE identity_id = ?', identityId)

  return {
    byId,

    create(name) {
      const nowMs = clock.nowMs()
      const identity = { id: randomUUID(), name, created_at: nowMs, updated_at: nowMs }
      store.run('INSERT INTO identities VALUES (?, ?, ?, ?)', identity.id, name, nowMs, nowMs)
      return identity
    },

    attachUniversalAuth(identityId, { ttl, maxTtl, usesLimit }) {
      const identity = byId(identityId)
      if (universalAuthOf(identity.id)) throw refuse.universalAuthTaken()
      if (maxTtl > 0 && ttl > maxTtl) throw refuse.ttlAboveMaxTtl()
      const nowMs = clock.nowMs()
      const attached: UniversalAuth = {
        id: randomUUID(),
        identity_id: identity.id,
        client_id: randomUUID(),
        ttl,
        max_ttl: maxTtl,
        uses_limit: usesLimit,
        created_at: nowMs,
        updated_at: nowMs,
      }
      store.run(
        'INSERT INTO universal_auths VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        ...[attached.id, identity.id, attached.client_id, ttl, maxTtl, usesLimit, nowMs, nowMs],
      )
      return attached
    },

    createClientSecret(identityId, { description, ttl, usesLimit }) {
      const universalAuth = universalAuthOf(byId(identityId).id)
      if (!universalAuth) throw refuse.universalAuthUnknown()
      const clientSecret = newClientSecret()
      const nowMs = clock.nowMs()
      const stored: ClientSecret = {
        id: randomUUID(),
        universal_auth_id: universalAuth.id,
        description,
        prefix: clientSecret.slice(0, 4),
        ttl,
        uses: 0,
        uses_limit: usesLimit,
        revoked: 0,
        created_at: nowMs,
        updated_at: nowMs,
      }
      store.run(
        'INSERT INTO client_secrets VALUES (?, ?, ?, ?, ?, ?, 0, ?, 0, ?, ?)',
        ...[stored.id, universalAuth.id, description, stored.prefix],
        ...[hashClientSecret(clientSecret), ttl, usesLimit, nowMs, nowMs],
      )
      return { clientSecret, stored }
    },
  }
}
