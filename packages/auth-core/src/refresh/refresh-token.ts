import type { CryptoKey } from 'jose'
import { decodeBase64Url, encodeBase64Url, utf8 } from '../bytes.ts'

/** Length of the random id of a family. */
const FAMILY_BYTES = 16

/** Length of the secret of a family, and of a MAC under it. */
const SECRET_BYTES = 32

/** 22 letters carry 16 bytes, 43 carry 32; the counter is decimal, without a leading zero. */
const FORM = /^ktr1\.([A-Za-z0-9_-]{22})\.(0|[1-9][0-9]{0,9})\.([A-Za-z0-9_-]{43})$/

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const

/** A refresh token taken apart. Nothing of it is trusted before `isAuthentic`. */
export interface RefreshToken {
  /** Names the row. */
  readonly family: string
  /** Which token of the family it is. */
  readonly counter: number
  readonly mac: Uint8Array<ArrayBuffer>
}

/**
 * Takes a refresh token apart, or answers `undefined` for anything else.
 *
 * The form is `ktr1.<family>.<counter>.<mac>`, and each token has exactly one spelling: fixed lengths,
 * canonical base64url, a counter of at most ten digits. Not checked: that it was issued here.
 */
export function parseRefreshToken(token: unknown): RefreshToken | undefined {
  // The form bounds the length; an endless string is refused at its first wrong letter.
  const match = typeof token === 'string' ? FORM.exec(token) : null
  const [, family = '', counter = '', macText = ''] = match ?? []
  const mac = decodeBase64Url(macText)
  if (!match || !mac || !decodeBase64Url(family)) return undefined
  return { family, counter: Number(counter), mac }
}

/**
 * The token of a family for a counter: always the same one, so that the successor of a token can be
 * handed out again without being stored.
 *
 * @throws {TypeError} for a family or a counter that no token can carry
 */
export async function formatRefreshToken(
  { family, counter }: Pick<RefreshToken, 'family' | 'counter'>,
  key: CryptoKey,
): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', key, macInput(family, counter))
  const token = `ktr1.${family}.${counter}.${encodeBase64Url(new Uint8Array(mac))}`
  if (!parseRefreshToken(token)) throw new TypeError('family and counter fit into a refresh token')
  return token
}

/** Whether the MAC of a token is of this family. The runtime compares in constant time. */
export async function isAuthentic(
  { family, counter, mac }: RefreshToken,
  key: CryptoKey,
): Promise<boolean> {
  return await crypto.subtle.verify('HMAC', key, mac, macInput(family, counter))
}

/** Both parts have one spelling, and neither holds the dot between them. */
function macInput(family: string, counter: number): Uint8Array<ArrayBuffer> {
  return utf8(`keyturn refresh 1.${family}.${counter}`)
}

/** A new family: a random name of 128 bits and a random MAC secret of 256 bits, to be sealed. */
export function generateRefreshFamily(): {
  readonly family: string
  readonly secret: Uint8Array<ArrayBuffer>
} {
  return {
    family: encodeBase64Url(crypto.getRandomValues(new Uint8Array(FAMILY_BYTES))),
    secret: crypto.getRandomValues(new Uint8Array(SECRET_BYTES)),
  }
}

/**
 * Imports the secret of a family.
 *
 * @throws {TypeError} for a secret that has not 256 bits
 */
export async function importRefreshSecret(secret: Uint8Array): Promise<CryptoKey> {
  if (secret.length !== SECRET_BYTES) {
    throw new TypeError(`the secret of a family has ${SECRET_BYTES} bytes`)
  }
  return await crypto.subtle.importKey('raw', new Uint8Array(secret), HMAC, false, [
    'sign',
    'verify',
  ])
}
