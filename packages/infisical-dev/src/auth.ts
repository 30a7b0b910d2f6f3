import { randomUUID } from 'node:crypto'

import { destroyToken, usableToken } from './access-tokens.ts'
import { usableClientSecret } from './client-secrets.ts'
import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Settings } from './settings.ts'
import type { Store } from './store.ts'
import { signToken, type TokenClaims, verifyToken } from './tokens.ts'

/** Who asks: the user who owns the server, or a machine identity. */
export type Actor =
  | { readonly type: 'user' }
  | { readonly type: 'identity'; readonly identityId: string }

/** What a login or a renewal answers; both times in seconds. */
export interface IssuedToken {
  readonly accessToken: string
  readonly expiresIn: number
  readonly accessTokenMaxTTL: number
  readonly tokenType: 'Bearer'
}

/** Logins and access tokens of Universal Auth. */
export interface Auth {
  /** @throws {ApiError} 404 for an unknown client id, 401 for a secret that is wrong or used up */
  login(clientId: string, clientSecret: string): IssuedToken
  /** Extends a token; the string stays the same. A refusal past the max TTL destroys the token. */
  renew(accessToken: string): IssuedToken
  revoke(accessToken: string): void
  /**
   * Reads a bearer and counts its use.
   *
   * @throws {ApiError} 403 TokenError by form, signature or max TTL; 401 when past its TTL, used
   * up, or gone
   */
  actorOf(accessToken: string): Actor
}

interface UniversalAuthRow {
  readonly id: string
  readonly identity_id: string
  readonly ttl: number
  readonly max_ttl: number
  readonly uses_limit: number
}

export function createAuth(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly settings: Settings
}): Auth {
  const { store, clock, settings } = deps

  const claimsOf = (accessToken: string): TokenClaims =>
    verifyToken(accessToken, settings.signingSecret, clock.nowMs())

  const ofIdentity = (accessToken: string) => {
    const claims = claimsOf(accessToken)
    if (claims.authTokenType !== 'identityAccessToken') throw refuse.tokenNotOfIdentity()
    return claims
  }

  const issue = (universalAuth: UniversalAuthRow, clientSecretId: string): IssuedToken => {
    const nowMs = clock.nowMs()
    const identityAccessTokenId = randomUUID()
    const { identity_id: identityId, ttl, max_ttl: maxTtl } = universalAuth
    store.run(
      'INSERT INTO access_tokens VALUES (?, ?, ?, ?, 0, ?, ?, ?)',
      ...[identityAccessTokenId, identityId, ttl, maxTtl, universalAuth.uses_limit, nowMs, nowMs],
    )
    const iat = Math.floor(nowMs / 1000)
    const claims: TokenClaims = {
      identityId,
      clientSecretId,
      identityAccessTokenId,
      authTokenType: 'identityAccessToken',
      iat,
      ...(maxTtl > 0 && { exp: iat + maxTtl }),
    }
    return issued(signToken(claims, settings.signingSecret), ttl, maxTtl)
  }

  return {
    login(clientId, clientSecret) {
      const universalAuth = store.get<UniversalAuthRow>(
        'SELECT * FROM universal_auths WHERE client_id = ?',
        clientId,
      )
      if (!universalAuth) throw refuse.clientUnknown()
      const secretId = usableClientSecret(deps, universalAuth.id, clientSecret)
      return store.atomically(() => {
        store.run('UPDATE client_secrets SET uses = uses + 1 WHERE id = ?', secretId)
        return issue(universalAuth, secretId)
      })
    },

    renew(accessToken) {
      const token = usableToken(deps, ofIdentity(accessToken).identityAccessTokenId)
      const nowMs = clock.nowMs()
      const endsAtMs = token.created_at + token.max_ttl * 1000
      if (token.max_ttl > 0 && nowMs + token.ttl * 1000 > endsAtMs) {
        destroyToken(store, token.id)
        throw refuse.tokenPastMaxTtl()
      }
      store.run('UPDATE access_tokens SET renewed_at = ? WHERE id = ?', nowMs, token.id)
      return issued(accessToken, token.ttl, token.max_ttl)
    },

    revoke(accessToken) {
      const { identityAccessTokenId } = ofIdentity(accessToken)
      if (!destroyToken(store, identityAccessTokenId)) throw refuse.tokenUnknown()
    },

    actorOf(accessToken) {
      const claims = claimsOf(accessToken)
      if (claims.authTokenType === 'accessToken') return { type: 'user' }
      const token = usableToken(deps, claims.identityAccessTokenId)
      store.run('UPDATE access_tokens SET uses = uses + 1 WHERE id = ?', token.id)
      return { type: 'identity', identityId: token.identity_id }
    },
  }
}

const issued = (accessToken: string, ttl: number, maxTtl: number): IssuedToken => ({
  accessToken,
  expiresIn: ttl,
  accessTokenMaxTTL: maxTtl,
  tokenType: 'Bearer',
})
