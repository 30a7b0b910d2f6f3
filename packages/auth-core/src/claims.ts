import { ALGORITHM_NAMES, type AlgorithmName, findAlgorithm, maxTokenBytes } from './algorithms.ts'
import { AuthError } from './errors.ts'
import type { JsonObject } from './json.ts'
import { isInstant } from './jwk.ts'
import type { Seconds } from './time.ts'

/**
 * The claims of an access token.
 *
 * @see RFC 9068 section 2.2
 */
export interface AccessTokenClaims extends JsonObject {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly exp: Seconds
  readonly iat: Seconds
  readonly jti: string
  readonly client_id: string
  readonly nbf?: Seconds
  /** Space-separated (RFC 6749 section 3.3). */
  readonly scope?: string
}

/** What a verifier expects of a token. */
export interface Expected {
  /** The one issuer, compared character by character. */
  readonly issuer: string
  /** The audiences of which the token must name one. */
  readonly audience: readonly string[]
  /** Seconds allowed between two clocks, 0 to 300. */
  readonly clockTolerance: Seconds
  /** Scopes that must all be there. */
  readonly scope: readonly string[]
  /** Algorithms of keys that are accepted; which one a key has, the key says. */
  readonly algorithms: readonly AlgorithmName[]
  /** Follows from the algorithms. */
  readonly maxTokenBytes: number
}

/** `Expected` as a caller writes it. */
export interface ExpectedOptions {
  readonly issuer: string
  readonly audience: string | readonly string[]
  /** Default 60. */
  readonly clockTolerance?: Seconds
  /** One scope or several; default none. */
  readonly scope?: string | readonly string[]
  /** Default: every algorithm that exists here. */
  readonly algorithms?: readonly AlgorithmName[]
}

const MAX_CLOCK_TOLERANCE = 300
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * Checks and completes what a caller expects, once, before the first token.
 *
 * @throws {TypeError} for an empty issuer or audience, a tolerance that is not 0 to 300 whole
 *   seconds (so never NaN or Infinity), a malformed scope, or an algorithm that does not exist here
 */
export function defineExpected(options: ExpectedOptions): Expected {
  const { issuer, clockTolerance = 60, algorithms = ALGORITHM_NAMES } = options
  const audience = [options.audience].flat()
  const scope = [options.scope ?? []].flat()
  if (typeof issuer !== 'string' || issuer === '') throw new TypeError('issuer is a URL')
  if (audience.length === 0 || !audience.every((aud) => typeof aud === 'string' && aud !== '')) {
    throw new TypeError('audience is a string or a list of strings, at least one')
  }
  if (
    !Number.isInteger(clockTolerance) ||
    clockTolerance < 0 ||
    clockTolerance > MAX_CLOCK_TOLERANCE
  ) {
    throw new TypeError(`clockTolerance is 0 to ${MAX_CLOCK_TOLERANCE} whole seconds`)
  }
  if (!scope.every((token) => typeof token === 'string' && SCOPE_TOKEN.test(token))) {
    throw new TypeError('scope is a scope token or a list of them')
  }
  if (algorithms.length === 0 || !algorithms.every((alg) => findAlgorithm(alg))) {
    throw new TypeError(`algorithms are some of ${ALGORITHM_NAMES.join(', ')}`)
  }
  const maxBytes = maxTokenBytes(algorithms)
  return { issuer, audience, clockTolerance, scope, algorithms, maxTokenBytes: maxBytes }
}

/**
 * Judges the claims of a token whose signature holds.
 *
 * Checks, in order: the types and bounds of all registered claims; `iss` exactly; `aud`; `exp`,
 * `nbf` and `iat` with the tolerance (refused from `exp` + tolerance on; `nbf` and `iat` at most the
 * tolerance ahead); `cnf`, which a plain Bearer never proves; scopes. Not checked: `jti` for replay,
 * whether the subject exists.
 *
 * @throws {AuthError} `claims_invalid`, `iss_mismatch`, `aud_mismatch`, `token_expired`,
 *   `token_not_yet_valid`, `scope_insufficient`
 * @see RFC 9068 section 4, RFC 8725 section 3
 */
export function validateClaims(
  claims: JsonObject,
  expected: Expected,
  now: Seconds,
): AccessTokenClaims {
  const parsed = parseClaims(claims)
  if (parsed.iss !== expected.issuer) {
    throw new AuthError('iss_mismatch', 'iss is the expected issuer')
  }
  if (!namesAudience(parsed.aud, expected.audience)) {
    throw new AuthError('aud_mismatch', 'aud names an expected audience')
  }
  validateTimes(parsed, expected.clockTolerance, now)
  // Bound to a key that nobody proved here (RFC 7800 section 3, RFC 9449 section 7.1).
  if (parsed.cnf !== undefined) throw invalid('a token with cnf comes with its proof of possession')
  if (expected.scope.length > 0) requireScopes(parsed, expected.scope)
  return parsed
}

function namesAudience(aud: AccessTokenClaims['aud'], expected: Expected['audience']): boolean {
  if (typeof aud === 'string') return expected.includes(aud)
  return aud.some((one) => expected.includes(one))
}

function requireScopes({ scope }: AccessTokenClaims, required: Expected['scope']): void {
  const granted = scope?.split(' ') ?? []
  const missing = required.filter((one) => !granted.includes(one))
  if (missing.length > 0) {
    throw new AuthError('scope_insufficient', 'scope holds every required scope', { missing })
  }
}

function validateTimes(claims: AccessTokenClaims, tolerance: Seconds, now: Seconds): void {
  if (now >= claims.exp + tolerance) {
    throw new AuthError('token_expired', 'exp is in the future')
  }
  if (now < Math.max(claims.nbf ?? 0, claims.iat) - tolerance) {
    throw new AuthError('token_not_yet_valid', 'nbf and iat are not in the future')
  }
}

const TEXT_CLAIMS = ['iss', 'sub', 'jti', 'client_id'] as const
const TIME_CLAIMS = ['exp', 'iat', 'nbf'] as const

function parseClaims(claims: JsonObject): AccessTokenClaims {
  for (const name of TEXT_CLAIMS) requireText(claims, name)
  for (const name of TIME_CLAIMS) {
    if (name === 'nbf' && claims.nbf === undefined) continue
    if (!isInstant(claims[name])) throw invalid(`${name} is a NumericDate in whole seconds`)
  }
  if (!isAudience(claims.aud)) throw invalid('aud is a string or a list of strings')
  if (claims.scope !== undefined && typeof claims.scope !== 'string') {
    throw invalid('scope is a string')
  }
  return claims as AccessTokenClaims
}

function requireText(claims: JsonObject, name: string): void {
  const value = claims[name]
  if (typeof value !== 'string' || value === '') throw invalid(`${name} is a non-empty string`)
}

function isAudience(aud: unknown): boolean {
  if (typeof aud === 'string') return aud !== ''
  return Array.isArray(aud) && aud.length > 0 && aud.every((one) => typeof one === 'string')
}

function invalid(message: string): AuthError {
  return new AuthError('claims_invalid', message)
}
