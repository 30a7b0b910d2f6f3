import type { CryptoKey } from 'jose'

/** Length of a nonce: 96 bits, the one length that AES-GCM does not hash first. */
export const NONCE_BYTES = 12

/** Length of a tag: 128 bits, always. Runtimes take shorter ones where they are not told. */
export const TAG_BYTES = 16

/** With what AES-GCM seals or opens. */
export interface GcmInput {
  readonly key: CryptoKey
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly additionalData: Uint8Array<ArrayBuffer>
}

/** A nonce from the generator of the runtime. */
export function freshNonce(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
}

/** Imports 256 bits as a key that the runtime never hands out again. */
export async function importGcmKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/**
 * Encrypts and authenticates. Answers the ciphertext with the tag behind it.
 *
 * @see NIST SP 800-38D section 7.1
 */
export async function gcmSeal(
  input: GcmInput,
  plaintext: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.encrypt(paramsOf(input), input.key, plaintext))
}

/**
 * Opens a ciphertext with the tag behind it, or answers `undefined` where the tag does not hold.
 *
 * @see NIST SP 800-38D section 7.2
 */
export async function gcmOpen(
  input: GcmInput,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (sealed.length < TAG_BYTES) return undefined
  try {
    return new Uint8Array(await crypto.subtle.decrypt(paramsOf(input), input.key, sealed))
  } catch (error) {
    // The one error of a tag that does not hold; anything else is a fault and not a verdict.
    if (error instanceof Error && error.name === 'OperationError') return undefined
    throw error
  }
}

function paramsOf({ nonce, additionalData }: GcmInput) {
  return { name: 'AES-GCM', iv: nonce, additionalData, tagLength: TAG_BYTES * 8 } as const
}
