import { createPrivateKey, hash } from 'node:crypto'
import type { Seconds } from '@keyturn/auth-core'
import { type KeyringKey, parsePrivateKey } from '@keyturn/auth-core/signing'

/** Makes keys that follow from a seed. */
export interface KeyPool {
  /** A key that nobody had before, staged at `now`. */
  take(now: Seconds): Promise<KeyringKey>
  /** A key that was taken, as a thief of its private half has it: without any times. */
  stolen(kid: string): KeyringKey | undefined
}

/** DER of a PKCS#8 Ed25519 private key, up to its 32 bytes (RFC 8410 section 7). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Makes the keys of a run. They are worth nothing: whoever knows the seed knows them. A run that
 * generated real ones would have other kids each time, and could not be compared with itself.
 */
export function createKeyPool(seed: number | string): KeyPool {
  let count = 0
  const taken = new Map<string, KeyringKey>()
  return {
    stolen: (kid) => taken.get(kid),
    async take(now) {
      count += 1
      const secret = hash('sha256', `${seed}/key/${count}`, 'buffer')
      const der = Buffer.concat([PKCS8_ED25519, secret])
      const material = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
      const text = JSON.stringify(material.export({ format: 'jwk' }))
      const privateJwk = await parsePrivateKey(text, 'key pool')
      const { kid, alg, kty, crv, x } = privateJwk
      const key: KeyringKey = { kid, jwk: { kty, crv, x, kid, alg, use: 'sig' }, privateJwk }
      taken.set(kid, key)
      return { ...key, jwk: { ...key.jwk, iat: now } }
    },
  }
}
