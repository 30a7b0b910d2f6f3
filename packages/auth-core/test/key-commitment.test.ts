import { describe, expect, it } from 'vitest'
import { utf8 } from '../src/bytes.ts'
import { gcmOpen, gcmSeal, importGcmKey } from '../src/envelope/aes-gcm.ts'
import { deriveCommittingKey, hkdf } from '../src/envelope/derive.ts'
import { additionalDataOf, formatRecord } from '../src/envelope/record.ts'
import { createEnvelope } from '../src/signing.ts'
import { envelopeCodeOf, keyOf, place } from './envelope-fixtures.ts'

/** Multiplication in GF(2^128) with the bit order of GCM (NIST SP 800-38D section 6.3). */
function multiply(x: bigint, y: bigint): bigint {
  let product = 0n
  let shifted = y
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n
  }
  return product
}

/** 1 / x, as x^(2^128 - 2). */
function invert(x: bigint): bigint {
  let result = 1n << 127n
  let power = multiply(x, x)
  for (let bit = 1; bit < 128; bit++) {
    result = multiply(result, power)
    power = multiply(power, power)
  }
  return result
}

function toBlocks(bytes: Uint8Array): bigint[] {
  const padded = new Uint8Array(Math.ceil(bytes.length / 16) * 16)
  padded.set(bytes)
  const view = new DataView(padded.buffer)
  return Array.from(
    { length: padded.length / 16 },
    (_, at) => (view.getBigUint64(at * 16) << 64n) | view.getBigUint64(at * 16 + 8),
  )
}

function toBytes(block: bigint): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, block >> 64n)
  view.setBigUint64(8, block & 0xffff_ffff_ffff_ffffn)
  return bytes
}

/** AES of one block, through the first block of CBC. */
async function encryptBlock(key: Uint8Array<ArrayBuffer>, block: Uint8Array<ArrayBuffer>) {
  const cbc = await crypto.subtle.importKey('raw', key, 'AES-CBC', false, ['encrypt'])
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-CBC', iv: new Uint8Array(16) },
    cbc,
    block,
  )
  return toBlocks(new Uint8Array(sealed).slice(0, 16))[0] ?? 0n
}

const nonce = new Uint8Array(12).fill(9)
const additionalData = additionalDataOf('k', place)

/** The tag of one ciphertext block, as `offset + block * factor`. */
async function tagEquation(key: Uint8Array<ArrayBuffer>) {
  const h = await encryptBlock(key, new Uint8Array(16))
  const counter = new Uint8Array(16)
  counter.set(nonce)
  counter[15] = 1
  const lengths = (BigInt(additionalData.length * 8) << 64n) | 128n
  const header = toBlocks(additionalData).reduce((sum, block) => multiply(sum ^ block, h), 0n)
  const h2 = multiply(h, h)
  const offset = multiply(header, h2) ^ multiply(lengths, h) ^ (await encryptBlock(key, counter))
  return { offset, factor: h2 }
}

/** One ciphertext with one tag that AES-GCM opens under both keys. */
async function craft(one: Uint8Array<ArrayBuffer>, other: Uint8Array<ArrayBuffer>) {
  const [a, b] = [await tagEquation(one), await tagEquation(other)]
  const block = multiply(a.offset ^ b.offset, invert(a.factor ^ b.factor))
  const sealed = new Uint8Array(32)
  sealed.set(toBytes(block))
  sealed.set(toBytes(a.offset ^ multiply(block, a.factor)), 16)
  return sealed
}

describe('key commitment', () => {
  it('refuses a ciphertext that AES-GCM itself opens under two keys', async () => {
    const secrets = [keyOf(1), keyOf(2)] as const
    const info = utf8('keyturn envelope 1 encryption')
    const [one, other] = [
      await hkdf(secrets[0], { info }, 32),
      await hkdf(secrets[1], { info }, 32),
    ]
    const sealed = await craft(one, other)
    const openings = await Promise.all(
      [one, other].map(async (bytes) =>
        gcmOpen({ key: await importGcmKey(bytes), nonce, additionalData }, sealed),
      ),
    )
    expect(openings.map((plaintext) => plaintext?.length)).toEqual([16, 16])
    expect(openings[0]).not.toEqual(openings[1])

    const verdicts: unknown[] = []
    for (const committed of secrets) {
      const { commitment } = await deriveCommittingKey(committed)
      const record = formatRecord({ kid: 'k', nonce, commitment, sealed })
      for (const secret of secrets) {
        const holder = await createEnvelope({ activeKid: 'k', keys: new Map([['k', secret]]) })
        verdicts.push(await envelopeCodeOf(() => holder.open(record, place)))
      }
    }
    expect(verdicts).toEqual(['opened', 'envelope_refused', 'envelope_refused', 'opened'])
  })

  it('derives the encryption key and the commitment apart, and neither is the stored key', async () => {
    const { key, commitment } = await deriveCommittingKey(keyOf(1))
    const again = await deriveCommittingKey(keyOf(1))
    expect(again.commitment).toEqual(commitment)
    expect((await deriveCommittingKey(keyOf(2))).commitment).not.toEqual(commitment)
    const sealed = await gcmSeal({ key, nonce, additionalData }, new Uint8Array(4))
    for (const wrong of [keyOf(1), commitment]) {
      const opened = await gcmOpen(
        { key: await importGcmKey(wrong), nonce, additionalData },
        sealed,
      )
      expect(opened).toBeUndefined()
    }
    expect(key.extractable).toBe(false)
  })
})
