import type { PrivateJwk, PublicJwk } from '../jwk.ts'
import type { PublicJwks } from '../jwks.ts'
import type { Seconds } from '../time.ts'

/**
 * Where a key is in its life. `next` is published and does not sign yet; `current` signs, exactly
 * one; `previous` signs no more and still verifies; `revoked` verifies no more, for ever.
 */
export type KeyStatus = 'next' | 'current' | 'previous' | 'revoked'

/** One version of the signing key. `iat`, `nbf` and `exp` of its JWK say what happened when. */
export interface KeyringKey {
  readonly kid: string
  readonly jwk: PublicJwk
  /** Only where the reader may see it and something can still need it. */
  readonly privateJwk?: PrivateJwk
}

/** A kid that never verifies again. */
export interface Revocation {
  readonly kid: string
  readonly at: Seconds
  readonly reason: string
}

/** All versions of the signing key. A value: every change makes a new one. */
export interface Keyring {
  readonly keys: readonly KeyringKey[]
  readonly revocations: readonly Revocation[]
  /** `updatedAt` of the stored public set, in milliseconds; equal for every reader. */
  readonly revision: number
}

/** The status of a key: a revocation wins, else the times of its JWK decide. */
export function statusOf(keyring: Keyring, kid: string): KeyStatus | undefined {
  if (keyring.revocations.some((revocation) => revocation.kid === kid)) return 'revoked'
  const key = keyring.keys.find((candidate) => candidate.kid === kid)
  if (!key) return undefined
  if (key.jwk.exp !== undefined) return 'previous'
  return key.jwk.nbf === undefined ? 'next' : 'current'
}

/** The keys of one status, newest first. */
export function keysWith(keyring: Keyring, status: KeyStatus): readonly KeyringKey[] {
  return keyring.keys
    .filter((key) => statusOf(keyring, key.kid) === status)
    .sort((a, b) => (b.jwk.nbf ?? b.jwk.iat ?? 0) - (a.jwk.nbf ?? a.jwk.iat ?? 0))
}

/** The key that signs; absent only in an emergency, when it was revoked without a successor. */
export function currentKey(keyring: Keyring): KeyringKey | undefined {
  return keysWith(keyring, 'current')[0]
}

/** The key that signs after the next flip. */
export function nextKey(keyring: Keyring): KeyringKey | undefined {
  return keysWith(keyring, 'next')[0]
}

/** What the issuer publishes of a keyring: every key that is not revoked, public members only. */
export function publishJwks(keyring: Keyring): PublicJwks {
  return {
    keys: keyring.keys
      .filter((key) => statusOf(keyring, key.kid) !== 'revoked')
      .map((key) => key.jwk),
    revision: keyring.revision,
    revoked: keyring.revocations.map((revocation) => revocation.kid).sort(),
  }
}
