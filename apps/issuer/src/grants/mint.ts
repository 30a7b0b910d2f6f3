import { randomUUID } from 'node:crypto'
import { type AccessTokenClaims, AuthError, type Clock, nowSeconds } from '@keyturn/auth-core'
import { type Policy, type Signer, signAccessToken } from '@keyturn/auth-core/signing'
import { TokenRefusal } from '../wire-errors.ts'
import type { Granted } from './grant.ts'

/** A successful answer of the token endpoint (RFC 6749 section 5.1). */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly scope?: string
}

/** What the log may know of a token: everything but the token. */
export interface MintedToken {
  readonly answer: TokenAnswer
  readonly jti: string
  readonly kid: string
}

export interface MintDeps {
  readonly issuer: string
  readonly policy: Policy
  readonly clock: Clock
  /** The key that signs now; absent in an emergency without a successor. */
  readonly signer: () => Signer | undefined
}

/**
 * Makes access tokens of what was granted.
 *
 * The function throws {TokenRefusal} `no_current_key`, or `key_ends_first` for a token that would
 * outlive its key.
 *
 * @see RFC 9068 section 2.2
 */
export function createMint(deps: MintDeps): (granted: Granted) => Promise<MintedToken> {
  const ttl = deps.policy.accessTokenTtl
  return async (granted) => {
    const signer = deps.signer()
    if (!signer) throw new TokenRefusal('no_current_key')
    const claims = claimsOf(granted, { issuer: deps.issuer, now: nowSeconds(deps.clock), ttl })
    return {
      answer: {
        access_token: await sign(signer, claims),
        token_type: 'Bearer',
        expires_in: ttl,
        ...(claims.scope !== undefined && { scope: claims.scope }),
      },
      jti: claims.jti,
      kid: signer.jwk.kid,
    }
  }
}

function claimsOf(
  { clientId, subject, audiences, scopes }: Granted,
  { issuer, now, ttl }: { readonly issuer: string; readonly now: number; readonly ttl: number },
): AccessTokenClaims {
  const [first, ...others] = audiences
  return {
    iss: issuer,
    sub: subject,
    aud: first !== undefined && others.length === 0 ? first : audiences,
    exp: now + ttl,
    iat: now,
    jti: randomUUID(),
    client_id: clientId,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  }
}

async function sign(signer: Signer, claims: AccessTokenClaims): Promise<string> {
  try {
    return await signAccessToken(signer, claims)
  } catch (cause) {
    if (!(cause instanceof AuthError) || cause.code !== 'mint_refused') throw cause
    throw new TokenRefusal('key_ends_first', { cause, kid: signer.jwk.kid })
  }
}
