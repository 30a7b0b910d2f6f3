import { type AccessTokenClaims, type Expected, validateClaims } from '../claims.ts'
import { AuthError } from '../errors.ts'
import type { VerifyKey } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import {
  type CompactJws,
  claimedIat,
  decodePayload,
  parseCompact,
  parseTokenHeader,
} from './format.ts'

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
export async function verifyToken(
  token: unknown,
  {
    resolveKey,
    expected,
    now,
  }: { readonly resolveKey: ResolveKey; readonly expected: Expected; readonly now: Seconds },
): Promise<VerifiedToken> {
  const jws = parseCompact(token)
  const { kid, typ } = parseTokenHeader(jws.header)
  if (typ !== 'at+jwt') throw new AuthError('typ_mismatch', 'typ is at+jwt')
  const key = await resolveKey(kid, () => claimedIat(jws))
  await verifySignature(jws, key, now)
  return { claims: validateClaims(decodePayload(jws), expected, now), kid }
}

/**
 * Verifies the signature of a JWS under one key, with the algorithm of the key.
 *
 * @throws {AuthError} `key_expired`, `alg_mismatch`, `signature_invalid`
 */
export async function verifySignature(
  { header, signature, signingInput }: CompactJws,
  { algorithm, cryptoKey, jwk, signatureBytes }: VerifyKey,
  now: Seconds,
): Promise<void> {
  // A key past its own end is refused even while it is published (Storm-0558).
  if (jwk.exp !== undefined && now >= jwk.exp) {
    throw new AuthError('key_expired', 'the key has not ended', { kid: jwk.kid })
  }
  if (header.alg !== algorithm.alg) throw new AuthError('alg_mismatch', 'alg is that of the key')
  // Runtimes differ in whether a signature of another length answers false or throws.
  const holds =
    signature.length === signatureBytes &&
    (await crypto.subtle.verify(algorithm.signatureParams, cryptoKey, signature, signingInput))
  if (!holds) throw new AuthError('signature_invalid', 'the signature is that of the key')
}
