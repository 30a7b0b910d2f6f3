import { freshNonce, gcmOpen, gcmSeal } from './aes-gcm.ts'
import { type CommittingKey, deriveCommittingKey } from './derive.ts'
import { checkEncryptionKeys, type EncryptionKeys } from './encryption-keys.ts'
import { EnvelopeError } from './envelope-error.ts'
import {
  additionalDataOf,
  formatRecord,
  MAX_PLAINTEXT_BYTES,
  parseRecord,
  type RecordBinding,
} from './record.ts'
import { createEncryptionUsage, createMemoryReserve, type EncryptionUsage } from './usage.ts'

/** Seals records under the active kid and opens those under every kid that is held. */
export interface Envelope {
  /** The kids that are held, and the one that encrypts: what a process reports of itself. */
  readonly activeKid: string
  readonly kids: readonly string[]
  /**
   * Seals a plaintext of at most 64 KiB for one place.
   *
   * @throws {TypeError} for a plaintext that is larger, or a binding with an empty part
   * @throws {EnvelopeError} `envelope_exhausted`, `envelope_uncounted`
   */
  seal(plaintext: Uint8Array, binding: RecordBinding): Promise<string>
  /**
   * Opens a record.
   *
   * Checks, in order: the form; that the kid is held; that the record commits to its key; the tag over
   * ciphertext, version, kid and binding. Not checked: that it is the newest record of its place.
   *
   * @throws {EnvelopeError} `envelope_invalid` for what is no record, `envelope_kid_unknown` for a kid
   *   that was retired or never held, `envelope_refused` where commitment or tag do not hold
   */
  open(record: unknown, binding: RecordBinding): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Whether a record stands under another kid than the active one.
   *
   * @throws {EnvelopeError} `envelope_invalid`
   */
  needsRewrap(record: unknown): boolean
}

/**
 * Makes an envelope of the AES keys: AES-256-GCM with a random 96-bit nonce, a 128-bit tag and a key
 * commitment. `usage` counts encryptions per kid; without it they are counted in memory, which is
 * right only for keys that do not outlive the process.
 *
 * @example
 * ```ts
 * const envelope = await createEnvelope(parseEncryptionKeys({ encKeys, activeKid }), { usage })
 * const record = await envelope.seal(secret, { table: 'families', row: id, column: 'secret' })
 * ```
 * @throws {EnvelopeError} `encryption_keys_invalid`
 * @see NIST SP 800-38D
 */
export async function createEnvelope(
  encryptionKeys: EncryptionKeys,
  {
    usage = createEncryptionUsage({ reserve: createMemoryReserve() }),
  }: { readonly usage?: EncryptionUsage } = {},
): Promise<Envelope> {
  const { activeKid, keys } = checkEncryptionKeys(encryptionKeys)
  const derived = new Map<string, CommittingKey>()
  for (const [kid, secret] of keys) derived.set(kid, await deriveCommittingKey(secret))

  function keyOf(kid: string): CommittingKey {
    const key = derived.get(kid)
    if (!key)
      throw new EnvelopeError('envelope_kid_unknown', 'the kid of a record is held', { kid })
    return key
  }

  return {
    activeKid,
    kids: [...derived.keys()],
    async seal(plaintext, binding) {
      if (plaintext.length > MAX_PLAINTEXT_BYTES) {
        throw new TypeError(`a plaintext has at most ${MAX_PLAINTEXT_BYTES} bytes`)
      }
      // What the caller does to its bytes while they are counted must not reach the record.
      const copied = new Uint8Array(plaintext)
      const additionalData = additionalDataOf(activeKid, binding)
      const { key, commitment } = keyOf(activeKid)
      await usage.take(activeKid)
      const nonce = freshNonce()
      const sealed = await gcmSeal({ key, nonce, additionalData }, copied)
      return formatRecord({ kid: activeKid, nonce, commitment, sealed })
    },
    async open(record, binding) {
      const { kid, nonce, commitment, sealed } = parseRecord(record)
      const additionalData = additionalDataOf(kid, binding)
      const { key, commitment: expected } = keyOf(kid)
      // Every record shows the commitment of its key: comparing in constant time would hide nothing.
      const commits = expected.every((byte, index) => byte === commitment[index])
      const plaintext = commits ? await gcmOpen({ key, nonce, additionalData }, sealed) : undefined
      if (!plaintext) {
        throw new EnvelopeError('envelope_refused', 'a record is of its key and its place', { kid })
      }
      return plaintext
    },
    needsRewrap: (record) => parseRecord(record).kid !== activeKid,
  }
}
