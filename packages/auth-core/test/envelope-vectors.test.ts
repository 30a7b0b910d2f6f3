import { describe, expect, inject, it } from 'vitest'
import { gcmOpen, gcmSeal, importGcmKey } from '../src/envelope/aes-gcm.ts'
import { hkdf } from '../src/envelope/derive.ts'
import { formatRefreshToken, importRefreshSecret, isAuthentic } from '../src/signing.ts'

const corpora = inject('corpora')
const there = Object.keys(corpora).length > 0

interface Vector {
  readonly tcId: number
  readonly result: 'valid' | 'invalid' | 'acceptable'
  /** Texts in hexadecimal, and `size` in bytes. */
  readonly [member: string]: unknown
}

interface Group {
  readonly keySize: number
  readonly ivSize?: number
  readonly tagSize?: number
  readonly tests: readonly Vector[]
}

function groups(name: string): readonly Group[] {
  const file = JSON.parse(corpora[`wycheproof/${name}.json`] ?? '{}') as {
    readonly testGroups?: readonly Group[]
  }
  return file.testGroups ?? []
}

function hex(vector: Vector, member: string): Uint8Array<ArrayBuffer> {
  const text = String(vector[member])
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

describe.skipIf(!there)('published vectors (skipped where there is no corpora folder)', () => {
  it('Wycheproof AES-256-GCM: agrees with every verdict for our sizes', async () => {
    const verdicts = { opened: 0, refused: 0 }
    const ours = groups('aes_gcm_test').filter(
      ({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128,
    )
    for (const vector of ours.flatMap(({ tests }) => tests)) {
      const key = await importGcmKey(hex(vector, 'key'))
      const input = { key, nonce: hex(vector, 'iv'), additionalData: hex(vector, 'aad') }
      const sealed = new Uint8Array([...hex(vector, 'ct'), ...hex(vector, 'tag')])
      const opened = await gcmOpen(input, sealed)
      if (vector.result === 'valid') {
        expect(opened, `${vector.tcId}`).toEqual(hex(vector, 'msg'))
        expect(await gcmSeal(input, hex(vector, 'msg')), `${vector.tcId}`).toEqual(sealed)
        verdicts.opened += 1
      } else {
        expect(opened, `${vector.tcId}`).toBeUndefined()
        verdicts.refused += 1
      }
    }
    expect(verdicts.opened + verdicts.refused).toBe(66)
    expect(verdicts.refused).toBeGreaterThan(20)
  })

  it('Wycheproof HKDF-SHA256: agrees with every verdict for the sizes that a runtime derives', async () => {
    const derived = { equal: 0, refused: 0 }
    for (const vector of groups('hkdf_sha256_test').flatMap(({ tests }) => tests)) {
      const parts = { salt: hex(vector, 'salt'), info: hex(vector, 'info') }
      const size = Number(vector.size)
      if (vector.result === 'valid') {
        const okm = await hkdf(hex(vector, 'ikm'), parts, size)
        expect(okm, `${vector.tcId}`).toEqual(hex(vector, 'okm'))
        derived.equal += 1
      } else {
        await expect(hkdf(hex(vector, 'ikm'), parts, size), `${vector.tcId}`).rejects.toThrow()
        derived.refused += 1
      }
    }
    expect(derived.equal).toBeGreaterThan(80)
    expect(derived.refused).toBeGreaterThan(0)
  })

  it('Wycheproof HMAC-SHA256: agrees with every verdict for 256-bit keys and whole tags', async () => {
    const verdicts = { held: 0, refused: 0 }
    const ours = groups('hmac_sha256_test').filter(
      ({ keySize, tagSize }) => keySize === 256 && tagSize === 256,
    )
    for (const vector of ours.flatMap(({ tests }) => tests)) {
      const key = await importRefreshSecret(hex(vector, 'key'))
      const holds = await crypto.subtle.verify('HMAC', key, hex(vector, 'tag'), hex(vector, 'msg'))
      expect(holds, `${vector.tcId}`).toBe(vector.result === 'valid')
      verdicts[holds ? 'held' : 'refused'] += 1
    }
    expect(verdicts.held).toBeGreaterThan(20)
    expect(verdicts.refused).toBeGreaterThan(20)
  })
})

describe('the MAC of a refresh token', () => {
  it('is HMAC-SHA256 of its family and counter, as any other implementation computes it', async () => {
    const secret = Uint8Array.from({ length: 32 }, (_, index) => index)
    const token = { family: 'AAECAwQFBgcICQoLDA0ODw', counter: 41 }
    const key = await importRefreshSecret(secret)
    const text = await formatRefreshToken(token, key)
    expect(text).toBe('ktr1.AAECAwQFBgcICQoLDA0ODw.41.64TEK3ZCF5wCuSIA9svHW5ZaxFtXVNonulJMhkNsOEQ')
    expect(await isAuthentic({ ...token, mac: new Uint8Array(32) }, key)).toBe(false)
  })
})
