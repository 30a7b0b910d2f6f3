import { hash } from 'node:crypto'
import { jwksDigest, type PublicJwks, parsePingKeys } from '@keyturn/auth-core'
import {
  apply,
  createPingSigner,
  createSigner,
  currentKey,
  type Keyring,
  type PingSigner,
  type Policy,
  publishJwks,
  type Revocation,
  type Signer,
} from '@keyturn/auth-core/signing'
import type { Edge, KeyringRead, Propagation } from './keyring-reader.ts'

/** Everything that follows from one keyring, computed once. A value: a reload makes a new one. */
export interface HeldKeys {
  /** With every revocation that counts applied. */
  readonly keyring: Keyring
  /** Absent only in an emergency, when the current key was revoked without a successor. */
  readonly signer?: Signer
  readonly jwks: PublicJwks
  /** `jwksDigest` of the published keys. */
  readonly digest: string
  /** The published document as it is served. */
  readonly body: string
  readonly etag: string
  readonly ping: HeldPropagation
  readonly notes: readonly string[]
  /** When the last good read began. Milliseconds. */
  readonly readAtMs: number
  /** Since when exactly these keys have been held. Milliseconds. */
  readonly sinceMs: number
}

/** `Propagation`, ready to use. */
export interface HeldPropagation {
  readonly edges: readonly Edge[]
  readonly webhookSecrets: readonly string[]
  readonly signer?: PingSigner
  /** The public half of the ping key: what received pings are verified under. */
  readonly verifyKeys: Awaited<ReturnType<typeof parsePingKeys>>
}

/** What is derived from. */
export interface KnownKeys {
  readonly read: KeyringRead
  readonly readAtMs: number
  /** Revocations of every list that was ever seen, and announced ones. */
  readonly revocations: readonly Revocation[]
  readonly propagation: Propagation
}

/**
 * Derives what is held: applies the revocations, imports and proves the current key, writes the
 * published document.
 *
 * @throws {AuthError} `jwk_invalid` where the current key does not sign what its public half verifies
 */
export async function deriveHeldKeys(
  known: KnownKeys,
  { policy, nowMs, before }: { policy: Policy; nowMs: number; before: HeldKeys | undefined },
): Promise<HeldKeys> {
  const keyring = withRevocations(known.read.keyring, known.revocations, policy)
  const current = currentKey(keyring)
  const jwks = publishJwks(keyring)
  const digest = await jwksDigest(jwks)
  const body = JSON.stringify(jwks)
  return {
    keyring,
    ...(current?.privateJwk && { signer: await createSigner(current.privateJwk, current.jwk) }),
    jwks,
    digest,
    body,
    etag: `"${hash('sha256', body, 'base64url')}"`,
    ping: await derivePropagation(known.propagation),
    notes: known.read.notes,
    readAtMs: known.readAtMs,
    sinceMs: before?.digest === digest ? before.sinceMs : nowMs,
  }
}

/** Equal for equal input, whenever it runs: a promoted key begins with the newest revocation. */
function withRevocations(
  keyring: Keyring,
  revocations: readonly Revocation[],
  policy: Policy,
): Keyring {
  if (revocations.length === 0) return keyring
  const now = Math.max(...revocations.map(({ at }) => at))
  return apply(keyring, { verb: 'revoke', revocations, fresh: [] }, { policy, now })
}

async function derivePropagation(propagation: Propagation): Promise<HeldPropagation> {
  const { edges, pingKey, webhookSecrets } = propagation
  const signer = pingKey && (await createPingSigner(pingKey))
  const verifyKeys = signer ? await parsePingKeys(signer.publicKey) : []
  return { edges, webhookSecrets, verifyKeys, ...(signer && { signer }) }
}
