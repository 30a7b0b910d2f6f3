const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const BASE64URL = /^[A-Za-z0-9_-]*$/

const VALUES: Int8Array = (() => {
  const values = new Int8Array(128).fill(-1)
  for (let value = 0; value < ALPHABET.length; value++) values[ALPHABET.charCodeAt(value)] = value
  return values
})()

/**
 * Decodes canonical base64url without padding, or answers `undefined`.
 *
 * Canonical means: only the 64 letters, a possible length, and zero in the bits of the last letter
 * that carry nothing. Public decoders let those bits pass, so one signature has many spellings.
 *
 * @see RFC 4648 section 3.5, RFC 7515 section 2
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const rest = text.length % 4
  if (rest === 1) return undefined
  const bytes = new Uint8Array((text.length * 3) >> 2)
  let bits = 0
  let held = 0
  let at = 0
  for (let index = 0; index < text.length; index++) {
    const value = VALUES[text.charCodeAt(index)]
    if (value === undefined || value < 0) return undefined
    bits = (bits << 6) | value
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = bits >> held
      bits &= (1 << held) - 1
    }
  }
  return bits === 0 ? bytes : undefined
}

const ASCII = /^[\0-\x7f]*$/
const lenient = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes canonical base64url of UTF-8 text, or answers `undefined`. The text keeps a byte order
 * mark, where there is one. ASCII, which is what tokens hold, takes a short way.
 */
export function decodeBase64UrlText(text: string): string | undefined {
  const last = VALUES[text.charCodeAt(text.length - 1)] ?? 0
  const unused = [0, 0, 0b1111, 0b11][text.length % 4] ?? 0
  if (!BASE64URL.test(text) || text.length % 4 === 1 || (last & unused) !== 0) return undefined
  const latin1 = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  if (ASCII.test(latin1)) return latin1
  try {
    return lenient.decode(Uint8Array.from(latin1, (char) => char.charCodeAt(0)))
  } catch {
    return undefined
  }
}

/** Encodes as base64url without padding (RFC 7515 section 2). */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index
    const word =
      ((bytes[index] ?? 0) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += ALPHABET.charAt(word >> 18) + ALPHABET.charAt((word >> 12) & 63)
    if (left > 1) text += ALPHABET.charAt((word >> 6) & 63)
    if (left > 2) text += ALPHABET.charAt(word & 63)
  }
  return text
}

/** Encodes a text, in UTF-8, as base64url without padding. */
export function encodeBase64UrlText(text: string): string {
  if (!ASCII.test(text)) return encodeBase64Url(utf8(text))
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Encodes as base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Decodes canonical base64 with padding, or answers `undefined`. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
    // atob is lenient (white space, unused bits): only the canonical spelling counts.
    return encodeBase64(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}

const encoder = new TextEncoder()

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  // The declared types of runtimes differ; an encoder never answers with shared memory.
  return encoder.encode(text) as Uint8Array<ArrayBuffer>
}
