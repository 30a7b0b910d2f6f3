import { type CryptoKey, calculateJwkThumbprint, importJWK } from 'jose'
import { type AlgorithmName, algorithmOf, type SignatureAlgorithm } from './algorithms.ts'
import { AuthError } from './errors.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { Seconds } from './time.ts'

/**
 * A public signing key as it is published: the members of its kty by allow-list, `kid alg use`, and
 * the times from which its status follows.
 *
 * ```json
 * { "kty": "OKP", "crv": "Ed25519", "x": "…", "kid": "…", "alg": "EdDSA", "use": "sig",
 *   "iat": 1795000000, "nbf": 1795003600, "exp": 1800187600 }
 * ```
 *
 * @see RFC 7517 section 4; OpenID Federation 1.0 section 8.7 (`iat`, `nbf`, `exp` of a key)
 */
export interface PublicJwk extends JsonObject {
  readonly kty: string
  readonly kid: string
  readonly alg: AlgorithmName
  readonly use: 'sig'
  /** When the key was staged. */
  readonly iat?: Seconds
  /** When it began to sign. Absent: it has not (`next`). */
  readonly nbf?: Seconds
  /** When it stops to verify. Absent: no end is set. */
  readonly exp?: Seconds
}

/** A private signing key: the key material of its kty, `kid` and `alg`. Never published. */
export interface PrivateJwk extends JsonObject {
  readonly kty: string
  readonly kid: string
  readonly alg: AlgorithmName
}

/** A public key that is ready to verify. */
export interface VerifyKey {
  readonly kid: string
  readonly signatureBytes: number
  readonly algorithm: SignatureAlgorithm
  readonly cryptoKey: CryptoKey
  readonly jwk: PublicJwk
}

/** Members that make a JWK private (RFC 7518 section 6, RFC 8037, RFC 9964). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

const TIME_MEMBERS = ['iat', 'nbf', 'exp'] as const

/** kids are compared, logged and put into paths: printable ASCII, no more than a digest needs. */
const KID = /^[\x21-\x7e]{1,128}$/

/** Whether a value has the shape of a kid. */
export function isKid(value: unknown): value is string {
  return typeof value === 'string' && KID.test(value)
}

/** Whether a JWK holds a secret: any private member, or a symmetric key. */
export function holdsSecret(jwk: JsonObject): boolean {
  return jwk.kty === 'oct' || PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))
}

/**
 * Turns an unknown value into a public key of exactly one algorithm.
 *
 * Checks, in order: an object without private members; a kty (and curve) of the algorithm table;
 * `alg`, `use` and `key_ops` that agree with it; `kid`; the key itself (canonical, not weak); times.
 * Unknown members are left out of the result. Not checked: that `kid` is the thumbprint.
 *
 * @throws {AuthError} `jwk_invalid`
 * @see RFC 7517 section 4, RFC 8725 section 3.1 (one key, one algorithm)
 */
export function parsePublicJwk(value: unknown): PublicJwk {
  if (!isJsonObject(value)) throw invalid('a JWK is a JSON object')
  if (holdsSecret(value)) throw invalid('a public JWK has no private member')
  const algorithm = algorithmOf(value)
  if (!algorithm) throw invalid('the key type is not one of the allowed algorithms')
  checkUse(value, algorithm)
  if (!isKid(value.kid)) throw invalid('kid is 1 to 128 printable ASCII characters')
  algorithm.checkPublicKey(value)
  return {
    ...pick(value, ['kty', ...algorithm.publicMembers]),
    kid: value.kid,
    alg: algorithm.alg,
    use: 'sig',
    ...keyTimes(value),
  } as PublicJwk
}

function checkUse(jwk: JsonObject, { alg }: SignatureAlgorithm): void {
  if (jwk.alg !== undefined && jwk.alg !== alg) throw invalid(`alg of this key is ${alg}`)
  if (jwk.use !== undefined && jwk.use !== 'sig') throw invalid('use of this key is sig')
  const operations = jwk.key_ops
  if (operations === undefined) return
  if (!Array.isArray(operations) || !operations.includes('verify')) {
    throw invalid('key_ops of a public key includes verify')
  }
}

function keyTimes(jwk: JsonObject): { iat?: Seconds; nbf?: Seconds; exp?: Seconds } {
  const times: { iat?: Seconds; nbf?: Seconds; exp?: Seconds } = {}
  for (const name of TIME_MEMBERS) {
    const at = jwk[name]
    if (at === undefined) continue
    if (!isInstant(at)) throw invalid(`${name} of a key is in whole seconds since 1970`)
    times[name] = at
  }
  return times
}

/** Whether a value is an instant in whole seconds, before the year 10000. */
export function isInstant(value: unknown): value is Seconds {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 253_402_300_800
}

/** The public half of a private key, with its thumbprint as `kid`. */
export async function publicJwkOf(jwk: JsonObject): Promise<PublicJwk> {
  const algorithm = algorithmOf(jwk)
  if (!algorithm) throw invalid('the key type is not one of the allowed algorithms')
  const material = pick(jwk, ['kty', ...algorithm.publicMembers])
  return parsePublicJwk({ ...material, alg: algorithm.alg, kid: await thumbprint(material) })
}

/** RFC 7638 thumbprint with SHA-256, which is the kid of every key of ours. */
export function thumbprint(jwk: JsonObject): Promise<string> {
  return calculateJwkThumbprint(jwk, 'sha256')
}

/** Imports a parsed public key for verification. */
export async function importVerifyKey(jwk: PublicJwk): Promise<VerifyKey> {
  const algorithm = algorithmOf(jwk)
  if (!algorithm) throw invalid('the key type is not one of the allowed algorithms')
  try {
    // Only key material: runtimes differ in what they make of alg, use and key_ops.
    const material = pick(jwk, ['kty', ...algorithm.publicMembers])
    const cryptoKey = (await importJWK(material, algorithm.alg)) as CryptoKey
    return {
      kid: jwk.kid,
      signatureBytes: algorithm.signatureBytes(jwk),
      algorithm,
      cryptoKey,
      jwk,
    }
  } catch (cause) {
    throw new AuthError('jwk_invalid', 'the key does not import', { kid: jwk.kid, cause })
  }
}

/** The named members that are there, and nothing else. */
export function pick(from: JsonObject, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, from[name]]),
  )
}

function invalid(message: string): AuthError {
  return new AuthError('jwk_invalid', message)
}
