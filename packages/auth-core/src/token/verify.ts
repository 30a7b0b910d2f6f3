import { type AccessTokenClaims, type Expected, validateClaims } from '../claims.ts'
import { AuthError, type AuthErrorCode } from '../errors.ts'
import { isInstant, type VerifyKey } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import {
  type CompactJws,
  claimedIat,
  decodePayload,
  parseCompact,
  parseTokenHeader,
} from './format.ts'
import type { VerifiedCache, VerifiedEntry } from './verified-cache.ts'

/**
 * Finds the key of a kid.
 *
 * `claimedIat` is the unverified `iat` of the token, computed only when asked for.
 * It throws `key_unknown`, `key_revoked`, `key_undecided` or `keys_unavailable` where there is none.
 */
export type ResolveKey = (
  kid: string,
  claimedIat: () => Seconds | undefined,
) => VerifyKey | Promise<VerifyKey>

/** A token that holds. */
export interface VerifiedToken {
  readonly claims: AccessTokenClaims
  readonly kid: string
}

/** With what a token is verified. */
export interface VerifyOptions {
  readonly resolveKey: ResolveKey
  readonly expected: Expected
  readonly now: Seconds
  /** Saves the signature check of a token that was seen before. Default: none. */
  readonly cache?: VerifiedCache
}

/**
 * Verifies an access token.
 *
 * Checks, in order: size and strict compact form; header (`alg kid typ` only, `typ` is at+jwt); the
 * key of the kid, its end, and that the header names the key's own algorithm; the signature; the
 * claims. Nothing of the payload is judged before the signature holds. Not checked: revocation of
 * the single token, replay, proof of possession.
 *
 * @example
 * ```ts
 * const { claims } = await verifyToken(token, { resolveKey, expected, now })
 * ```
 * @throws {AuthError} the codes of `parseCompact`, `resolveKey` and `validateClaims`, and
 *   `typ_mismatch`, `key_expired`, `alg_mismatch`, `signature_invalid`
 * @see RFC 9068 section 4, RFC 8725
 */
export async function verifyToken(token: unknown, options: VerifyOptions): Promise<VerifiedToken> {
  const { cache, expected, now, resolveKey } = options
  const seen = typeof token === 'string' ? cache?.get(token) : undefined
  if (seen) {
    const found = keyOf(seen, token as string, options)
    // Not awaited where it is known at once, which is what makes a hit cheap.
    const key = found instanceof Promise ? await found : found
    if (key === seen.key) {
      refuseAlgorithm(key, expected)
      refuseEndedKey(key, now)
      return { claims: validateClaims(seen.claims, expected, now), kid: key.kid }
    }
    cache?.delete(token as string)
  }
  const jws = parseCompact(token, { maxBytes: expected.maxTokenBytes, knownHeader: cache?.header })
  const { kid, typ } = parseTokenHeader(jws.header)
  if (typ !== 'at+jwt') throw new AuthError('typ_mismatch', 'typ is at+jwt')
  const key = await resolveKey(kid, () => claimedIat(jws))
  refuseAlgorithm(key, expected)
  const checked = verifySignature(jws, key, now)
  // Decoded while the signature is checked, on runtimes that do so in another thread; judged after.
  const claims = decodePayload(jws)
  await checked
  if (!claims) {
    throw new AuthError('token_malformed', 'the payload is one JSON object without duplicate names')
  }
  cache?.set(token as string, { key, claims, header: jws.header })
  return { claims: validateClaims(claims, expected, now), kid }
}

/** The key that the kid of a remembered token has now; an entry dies with its key. */
function keyOf(
  { key, claims }: VerifiedEntry,
  token: string,
  { cache, resolveKey }: VerifyOptions,
): VerifyKey | Promise<VerifyKey> {
  const forget = (error: unknown): never => {
    if (error instanceof AuthError && GONE.includes(error.code)) cache?.delete(token)
    throw error
  }
  try {
    const found = resolveKey(key.kid, () => (isInstant(claims.iat) ? claims.iat : undefined))
    return found instanceof Promise ? found.catch(forget) : found
  } catch (error) {
    return forget(error)
  }
}

/** What a resolver says of a key that is gone for good, and not just out of reach. */
const GONE: readonly AuthErrorCode[] = ['key_revoked', 'key_unknown']

/**
 * Verifies the signature of a JWS under one key, with the algorithm of the key.
 *
 * @throws {AuthError} `key_expired`, `alg_mismatch`, `signature_invalid`
 */
export async function verifySignature(
  { header, signature, signingInput }: CompactJws,
  key: VerifyKey,
  now: Seconds,
): Promise<void> {
  const { algorithm, cryptoKey, signatureBytes } = key
  refuseEndedKey(key, now)
  if (header.alg !== algorithm.alg) throw new AuthError('alg_mismatch', 'alg is that of the key')
  // Runtimes differ in whether a signature of another length answers false or throws.
  const holds =
    signature.length === signatureBytes &&
    (await crypto.subtle.verify(algorithm.signatureParams, cryptoKey, signature, signingInput))
  if (!holds) throw new AuthError('signature_invalid', 'the signature is that of the key')
}

function refuseAlgorithm({ algorithm, kid }: VerifyKey, { algorithms }: Expected): void {
  if (!algorithms.includes(algorithm.alg)) {
    throw new AuthError('alg_mismatch', 'the algorithm of the key is an expected one', { kid })
  }
}

/** A key past its own end is refused even while it is published (Storm-0558). */
function refuseEndedKey({ jwk, kid }: VerifyKey, now: Seconds): void {
  if (jwk.exp !== undefined && now >= jwk.exp) {
    throw new AuthError('key_expired', 'the key has not ended', { kid })
  }
}
