import { decodeBase64, encodeBase64 } from '../bytes.ts'
import { parseJsonObject } from '../json.ts'
import { EnvelopeError } from './envelope-error.ts'

/** Length of an AES key of ours. */
export const ENCRYPTION_KEY_BYTES = 32

/** kids stand between dots in records, and in queries for the rows under a kid. */
const KID = /^[A-Za-z0-9_-]{1,64}$/

/** The AES keys: one encrypts, all of them decrypt. A value; a change makes a new one. */
export interface EncryptionKeys {
  readonly activeKid: string
  readonly keys: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
}

/**
 * The AES keys as they are stored in /auth/aes, or injected as AUTH_ENC_KEYS and AUTH_ENC_ACTIVE_KID.
 *
 * ```
 * enc_keys    {"aes-5f1c09":"q83vEjRWeJ…","aes-77a0b2":"…"}
 * active_kid  aes-77a0b2
 * ```
 */
export interface StoredEncryptionKeys {
  readonly encKeys: string
  readonly activeKid: string
}

/** Whether a value has the shape of the kid of an AES key: 1 to 64 of `A-Z a-z 0-9 _ -`. */
export function isEncryptionKid(value: unknown): value is string {
  return typeof value === 'string' && KID.test(value)
}

/**
 * Reads stored AES keys and checks every invariant: one JSON object without duplicate names, with at
 * least one key; each kid 1 to 64 of `A-Z a-z 0-9 _ -`; each key 256 bits in canonical base64; no key
 * under two kids; an active kid that names one of them. White space around either text is let pass.
 *
 * @throws {EnvelopeError} `encryption_keys_invalid`, with the invariant in its message and the kid,
 *   never the key, in its details
 */
export function parseEncryptionKeys({ encKeys, activeKid }: StoredEncryptionKeys): EncryptionKeys {
  const document = parseJsonObject(encKeys)
  if (!document) throw invalid('enc_keys is one JSON object without duplicate names')
  const keys = new Map(Object.entries(document).map(([kid, text]) => [kid, parseKey(kid, text)]))
  return checkEncryptionKeys({ activeKid: activeKid.trim(), keys })
}

function parseKey(kid: string, text: unknown): Uint8Array<ArrayBuffer> {
  const bytes = typeof text === 'string' ? decodeBase64(text) : undefined
  if (!bytes) throw invalid('every key of enc_keys is canonical base64', { kid })
  return bytes
}

/**
 * Checks the invariants that hold for AES keys of any origin, and answers them.
 *
 * @throws {EnvelopeError} `encryption_keys_invalid`
 */
export function checkEncryptionKeys(candidate: EncryptionKeys): EncryptionKeys {
  const { activeKid, keys } = candidate
  if (keys.size === 0) throw invalid('enc_keys holds at least one key')
  const kidOf = new Map<string, string>()
  for (const [kid, bytes] of keys) {
    if (!isEncryptionKid(kid)) throw invalid('a kid is 1 to 64 of A-Z a-z 0-9 _ -')
    if (bytes.length !== ENCRYPTION_KEY_BYTES) {
      throw invalid(`every key of enc_keys has ${ENCRYPTION_KEY_BYTES * 8} bits`, { kid })
    }
    // Else retiring one kid would leave its key in use, and counts per kid would not be per key.
    const twin = kidOf.get(encodeBase64(bytes))
    if (twin !== undefined) throw invalid('no key stands under two kids', { kids: [twin, kid] })
    kidOf.set(encodeBase64(bytes), kid)
  }
  if (!keys.has(activeKid)) {
    throw invalid('active_kid names a key of enc_keys', { kids: [...keys.keys()] })
  }
  return candidate
}

/** Writes AES keys in the form that `parseEncryptionKeys` reads. */
export function formatEncryptionKeys({ activeKid, keys }: EncryptionKeys): StoredEncryptionKeys {
  const entries = [...keys].map(([kid, bytes]) => [kid, encodeBase64(bytes)] as const)
  return { encKeys: JSON.stringify(Object.fromEntries(entries)), activeKid }
}

/** 256 random bits. */
export function generateEncryptionKey(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(ENCRYPTION_KEY_BYTES))
}

function invalid(message: string, details: Record<string, unknown> = {}): EnvelopeError {
  return new EnvelopeError('encryption_keys_invalid', message, details)
}
