import { decodeBase64Url, encodeBase64Url, utf8 } from '../bytes.ts'
import { NONCE_BYTES, TAG_BYTES } from './aes-gcm.ts'
import { COMMITMENT_BYTES } from './derive.ts'
import { isEncryptionKid } from './encryption-keys.ts'
import { EnvelopeError } from './envelope-error.ts'

/** The largest plaintext that is sealed. Records hold secrets, not documents. */
export const MAX_PLAINTEXT_BYTES = 65_536

const VERSION = 'kte1'
const HEAD_BYTES = NONCE_BYTES + COMMITMENT_BYTES
const MAX_BODY_BYTES = HEAD_BYTES + MAX_PLAINTEXT_BYTES + TAG_BYTES
const MAX_RECORD_LENGTH = `${VERSION}..`.length + 64 + Math.ceil((MAX_BODY_BYTES * 4) / 3)

/**
 * A sealed record taken apart. As text it is `kte1.<kid>.<base64url of nonce, commitment, ciphertext
 * and tag>`, so that the rows under a kid are those that begin with `kte1.<kid>.`.
 */
export interface EnvelopeRecord {
  readonly kid: string
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly commitment: Uint8Array<ArrayBuffer>
  /** The ciphertext with the tag behind it. */
  readonly sealed: Uint8Array<ArrayBuffer>
}

/** The one place where a record belongs. Anywhere else it does not open. */
export interface RecordBinding {
  readonly table: string
  /** The identity of the row; it must not change while the record stands there. */
  readonly row: string
  readonly column: string
}

/**
 * Takes a record apart.
 *
 * Checks, in order: a string within the bounds; the version; a kid; canonical base64url; enough bytes
 * for nonce, commitment and the whole tag. Nothing is decrypted.
 *
 * @throws {EnvelopeError} `envelope_invalid`
 */
export function parseRecord(record: unknown): EnvelopeRecord {
  if (typeof record !== 'string') throw invalid('a record is a string')
  if (record.length > MAX_RECORD_LENGTH) {
    throw invalid(`a record has at most ${MAX_RECORD_LENGTH} characters`)
  }
  const [version, kid, body, ...rest] = record.split('.', 4)
  if (version !== VERSION) throw invalid(`the version of a record is ${VERSION}`)
  if (body === undefined || rest.length > 0) throw invalid('a record has three parts')
  if (!isEncryptionKid(kid)) throw invalid('the kid of a record is 1 to 64 of A-Z a-z 0-9 _ -')
  const bytes = decodeBase64Url(body)
  if (!bytes) throw invalid('the body of a record is canonical base64url')
  if (bytes.length < HEAD_BYTES + TAG_BYTES) {
    throw invalid('a record holds a nonce, a commitment and a tag')
  }
  return {
    kid,
    nonce: bytes.slice(0, NONCE_BYTES),
    commitment: bytes.slice(NONCE_BYTES, HEAD_BYTES),
    sealed: bytes.slice(HEAD_BYTES),
  }
}

/** Writes a record as text. */
export function formatRecord({ kid, nonce, commitment, sealed }: EnvelopeRecord): string {
  const bytes = new Uint8Array(HEAD_BYTES + sealed.length)
  bytes.set(nonce)
  bytes.set(commitment, NONCE_BYTES)
  bytes.set(sealed, HEAD_BYTES)
  return `${recordPrefix(kid)}${encodeBase64Url(bytes)}`
}

/** With what every record under a kid begins, and no other one: to count and to find its rows. */
export function recordPrefix(kid: string): string {
  return `${VERSION}.${kid}.`
}

/**
 * The bytes that AES-GCM authenticates beside the plaintext: version, kid and binding, each behind its
 * length in four bytes, so that no two lists of parts have one spelling.
 *
 * @throws {TypeError} for a part that is empty or holds a lone surrogate, which UTF-8 cannot spell
 */
export function additionalDataOf(
  kid: string,
  { table, row, column }: RecordBinding,
): Uint8Array<ArrayBuffer> {
  for (const part of [table, row, column]) {
    if (typeof part !== 'string' || part === '' || !part.isWellFormed()) {
      throw new TypeError('table, row and column of a binding are non-empty, well-formed strings')
    }
  }
  const parts = [VERSION, kid, table, row, column].map(utf8)
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length)
    bytes.set(part, at + 4)
    at += 4 + part.length
  }
  return bytes
}

function invalid(message: string): EnvelopeError {
  return new EnvelopeError('envelope_invalid', message)
}
