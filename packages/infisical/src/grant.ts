import { isJsonObject } from '@keyturn/auth-core'
import { InfisicalError } from './errors.ts'

/** An access token as a login or a renewal grants it. */
export interface AccessGrant {
  readonly token: string
  /** Seconds it lives; 0 means that it never ends. */
  readonly ttl: number
  /** Seconds after the login past which no renewal reaches; 0 means that nothing ends it. */
  readonly maxTtl: number
}

/** Whether the path (without query) is a login or a renewal: they carry no bearer, and grant one. */
export function isGrantCall(path: string): boolean {
  return /\/api\/v\d+\/auth\/(?:[^/]+\/login|token\/renew)$/.test(path)
}

/**
 * Reads the answer of a login or renewal. The `exp` inside the token is not looked at: servers set
 * it to the max TTL, and `expiresIn` is what they enforce.
 *
 * Answers have the form `{ "accessToken", "expiresIn": 3600, "accessTokenMaxTTL": 86400,
 * "tokenType": "Bearer" }`.
 *
 * @throws {InfisicalError} `unexpected_answer` for anything else
 */
export function parseGrant(answer: unknown): AccessGrant {
  const { accessToken, expiresIn, accessTokenMaxTTL = 0 } = isJsonObject(answer) ? answer : {}
  if (typeof accessToken !== 'string' || !/^[!-~]+$/.test(accessToken)) {
    throw new InfisicalError('unexpected_answer', 'expected the login to bring an access token')
  }
  if (!isTtl(expiresIn) || !isTtl(accessTokenMaxTTL)) {
    throw new InfisicalError('unexpected_answer', 'expected the login to say how long it lasts')
  }
  return { token: accessToken, ttl: expiresIn, maxTtl: accessTokenMaxTTL }
}

function isTtl(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
