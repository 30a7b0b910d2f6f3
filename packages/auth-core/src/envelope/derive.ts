import type { CryptoKey } from 'jose'
import { utf8 } from '../bytes.ts'
import { importGcmKey } from './aes-gcm.ts'

/** Length of a commitment. Finding two keys with one commitment costs 2^128 work. */
export const COMMITMENT_BYTES = 32

const KEY_BYTES = 32

/** What a stored key is used as: never itself, always through two independent derivations. */
export interface CommittingKey {
  /** Encrypts. */
  readonly key: CryptoKey
  /** Stands in every record under the key. Public: it says which key it was, and nothing of it. */
  readonly commitment: Uint8Array<ArrayBuffer>
}

/**
 * Derives the encryption key and the commitment of a 256-bit key.
 *
 * AES-GCM alone lets one record open under two keys. Here the encryption key and a commitment are two
 * outputs of HKDF-SHA256 over the stored key, told apart by `info`; a record that carries the
 * commitment of one key is not even tried under another. Two keys with one commitment would be a
 * collision of SHA-256.
 *
 * @see Albertini, Duong, Gueron, Kölbl, Luykx, Schmieg: How to Abuse and Fix Authenticated Encryption
 *   Without Key Commitment, USENIX Security 2022 (eprint 2020/1456), the generic fix by key derivation
 * @see Bellare, Hoang: Efficient Schemes for Committing Authenticated Encryption, Eurocrypt 2022
 *   (eprint 2022/268), the transform UtC
 * @see AWS Encryption SDK, message format 2.0: a commitment by HKDF in each message header
 */
export async function deriveCommittingKey(secret: Uint8Array<ArrayBuffer>): Promise<CommittingKey> {
  const [encryption, commitment] = await Promise.all([
    hkdf(secret, { info: utf8('keyturn envelope 1 encryption') }, KEY_BYTES),
    hkdf(secret, { info: utf8('keyturn envelope 1 commitment') }, COMMITMENT_BYTES),
  ])
  return { key: await importGcmKey(encryption), commitment }
}

/** HKDF with SHA-256. No salt where the secret is uniform already (RFC 5869 section 3.1). */
export async function hkdf(
  secret: Uint8Array<ArrayBuffer>,
  {
    salt = new Uint8Array(0),
    info,
  }: { readonly salt?: Uint8Array<ArrayBuffer>; readonly info: Uint8Array<ArrayBuffer> },
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  const params = { name: 'HKDF', hash: 'SHA-256', salt, info } as const
  return new Uint8Array(await crypto.subtle.deriveBits(params, base, bytes * 8))
}
