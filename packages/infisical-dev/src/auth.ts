import { createHash, randomBytes, randomUUID } from 'node:crypto'

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

interface ClientSecretRow {
  readonly id: string
  readonly hash: string
  readonly ttl: number
  readonly uses: number
  readonly uses_limit: number
  readonly created_at: number
}

interface TokenRow {
  readonly id: string
  readonly identity_id: string
  readonly ttl: number
  readonly max_ttl: number
  readonly uses: number
  readonly uses_limit: number
  readonly created_at: number
  readonly renewed_at: number
}

interface UniversalAuthRow {
  readonly id: string
  readonly identity_id: string
  readonly ttl: number
  readonly max_ttl: number
  readonly uses_limit: number
}

/** @returns a new client secret, 256 bits in hex */
export const newClientSecret = (): string => randomBytes(32).toString('hex')

/** The stored form of a client secret; it is random, so that a fast hash suffices. */
export const hashClientSecret = (clientSecret: string): string =>
  createHash('sha256').update(clientSecret).digest('hex')

export function createAuth(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly settings: Settings
}): Auth {
  const { store, clock, settings } = deps

  const destroy = (tokenId: string) => store.run('DELETE FROM access_tokens WHERE id = ?', tokenId)

  // Not in a transaction: the refusals below end the token, and that must stay.
  const usableToken = (tokenId: string): TokenRow => {
    const token = store.get<TokenRow>('SELECT * FROM access_tokens WHERE id = ?', tokenId)
    if (!token) throw refuse.tokenUnknown()
    if (token.uses_limit > 0 && token.uses >= token.uses_limit) {
      destroy(tokenId)
      throw refuse.tokenUsesReached()
    }
    if (token.ttl > 0 && clock.nowMs() > token.renewed_at + token.ttl * 1000) {
      destroy(tokenId)
      throw refuse.tokenPastTtl()
    }
    return token
  }

  const claimsOf = (accessToken: string): TokenClaims =>
    verifyToken(accessToken, settings.signingSecret, clock.nowMs())

  const ofIdentity = (accessToken: string) => {
    const claims = claimsOf(accessToken)
    if (claims.authTokenType !== 'identityAccessToken') throw refuse.tokenNotOfIdentity()
    return claims
  }

  const usableClientSecret = (universalAuthId: string, clientSecret: string): ClientSecretRow => {
    const secret = store.get<ClientSecretRow>(
      'SELECT * FROM client_secrets WHERE universal_auth_id = ? AND hash = ? AND revoked = 0',
      universalAuthId,
      hashClientSecret(clientSecret),
    )
    if (!secret) throw refuse.invalidCredentials()
    const revoke = () => store.run('UPDATE client_secrets SET revoked = 1 WHERE id = ?', secret.id)
    if (secret.ttl > 0 && clock.nowMs() > secret.created_at + secret.ttl * 1000) {
      revoke()
      throw refuse.clientSecretExpired()
    }
    if (secret.uses_limit > 0 && secret.uses >= secret.uses_limit) {
      revoke()
      throw refuse.clientSecretUsesReached()
    }
    return secret
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
      const secret = usableClientSecret(universalAuth.id, clientSecret)
      return store.atomically(() => {
        store.run('UPDATE client_secrets SET uses = uses + 1 WHERE id = ?', secret.id)
        return issue(universalAuth, secret.id)
      })
    },

    renew(accessToken) {
      const token = usableToken(ofIdentity(accessToken).identityAccessTokenId)
      const nowMs = clock.nowMs()
      const endsAtMs = token.created_at + token.max_ttl * 1000
      if (token.max_ttl > 0 && nowMs + token.ttl * 1000 > endsAtMs) {
        destroy(token.id)
        throw refuse.tokenPastMaxTtl()
      }
      store.run('UPDATE access_tokens SET renewed_at = ? WHERE id = ?', nowMs, token.id)
      return issued(accessToken, token.ttl, token.max_ttl)
    },

    revoke(accessToken) {
      if (destroy(ofIdentity(accessToken).identityAccessTokenId) === 0) throw refuse.tokenUnknown()
    },

    actorOf(accessToken) {
      const claims = claimsOf(accessToken)
      if (claims.authTokenType === 'accessToken') return { type: 'user' }
      const token = usableToken(claims.identityAccessTokenId)
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
