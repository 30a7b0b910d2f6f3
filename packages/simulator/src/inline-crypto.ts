import { hash, KeyObject, sign, verify, type webcrypto } from 'node:crypto'

/** A WebCrypto operation that works in another thread, done here instead. */
type Inline = (...args: never[]) => Promise<unknown>

/**
 * Lets WebCrypto digest, sign and verify within the caller's turn, with the same results by
 * `node:crypto`, until the returned function is called.
 *
 * Two reasons. Threads end in any order, so a run that waited for them would not follow from its
 * seed. And the digests of small documents, which thousands of verifiers compute, cost ten times more
 * on their way to a thread and back. The same key material imports to the same key object, since a
 * key never changes.
 *
 * Ed25519 and SHA-256 only, which is what a simulation uses; anything else throws.
 */
export function installInlineCrypto(): () => void {
  const { subtle } = crypto
  const importKey = subtle.importKey.bind(subtle)
  const imported = new Map<string, ReturnType<typeof importKey>>()
  const inline: Readonly<Record<string, Inline>> = {
    async digest(algorithm: string, data: Uint8Array) {
      if (algorithm !== 'SHA-256') throw new TypeError('a simulation digests with SHA-256')
      return new Uint8Array(hash('sha256', data, 'buffer')).buffer
    },
    async sign(_algorithm: unknown, key: webcrypto.CryptoKey, data: Uint8Array) {
      return new Uint8Array(sign(null, data, KeyObject.from(key))).buffer
    },
    async verify(
      _algorithm: unknown,
      key: webcrypto.CryptoKey,
      signature: Uint8Array,
      data: Uint8Array,
    ) {
      return verify(null, data, KeyObject.from(key), signature)
    },
    importKey(...args: Parameters<typeof importKey>) {
      const [format, material, algorithm, , usages] = args
      const id = JSON.stringify([format, material, algorithm, usages])
      // Extractable, for node:crypto to take the key over.
      const known = imported.get(id) ?? importKey(format, material, algorithm, true, usages)
      imported.set(id, known)
      return known
    },
  }
  for (const [name, value] of Object.entries(inline)) {
    Object.defineProperty(subtle, name, { value, configurable: true })
  }
  // Own properties over those of the prototype: without them it is as it was.
  return () => {
    for (const name of Object.keys(inline)) Reflect.deleteProperty(subtle, name)
  }
}
