import { afterEach, expect, it } from 'vitest'
import { installInlineCrypto } from '../src/inline-crypto.ts'

const data = new TextEncoder().encode('to be signed')
let uninstall = () => {}
afterEach(() => uninstall())

async function generate() {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  if (!('publicKey' in pair)) throw new TypeError('Ed25519 keys come in pairs')
  return pair
}

it('digests, signs and verifies as WebCrypto does', async () => {
  const pair = await generate()
  const digest = await crypto.subtle.digest('SHA-256', data)
  const signature = await crypto.subtle.sign('Ed25519', pair.privateKey, data)
  uninstall = installInlineCrypto()
  expect(await crypto.subtle.digest('SHA-256', data)).toEqual(digest)
  expect(await crypto.subtle.sign('Ed25519', pair.privateKey, data)).toEqual(signature)
  const verify = (bytes: Uint8Array<ArrayBuffer>) =>
    crypto.subtle.verify('Ed25519', pair.publicKey, signature, bytes)
  expect(await verify(data)).toBe(true)
  expect(await verify(new TextEncoder().encode('something else'))).toBe(false)
})

it('is done before anything that waits for a thread could be', async () => {
  uninstall = installInlineCrypto()
  let isDone = false
  void crypto.subtle.digest('SHA-256', data).then(() => {
    isDone = true
  })
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  expect(isDone).toBe(true)
})

it('imports one key once, and another one anew', async () => {
  const [one, other] = [await generate(), await generate()]
  const raw = await crypto.subtle.exportKey('jwk', one.publicKey)
  const otherRaw = await crypto.subtle.exportKey('jwk', other.publicKey)
  uninstall = installInlineCrypto()
  const read = (jwk: typeof raw) =>
    crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['verify'])
  expect(await read({ ...raw })).toBe(await read({ ...raw }))
  expect(await read(otherRaw)).not.toBe(await read(raw))
})

it('refuses what a simulation does not use, and leaves nothing behind', async () => {
  uninstall = installInlineCrypto()
  await expect(crypto.subtle.digest('SHA-512', data)).rejects.toThrow(TypeError)
  uninstall()
  expect((await crypto.subtle.digest('SHA-512', data)).byteLength).toBe(64)
  expect(Object.keys(crypto.subtle)).toEqual([])
})
