import { describe, expect, inject, it } from 'vitest'
import { AuthError } from '../src/errors.ts'
import { importKeySet, parseJsonObject, parseJwks } from '../src/index.ts'
import { isJsonObject, type JsonObject } from '../src/json.ts'
import { importVerifyKey, parsePublicJwk, thumbprint } from '../src/jwk.ts'
import { type CompactJws, parseCompact } from '../src/token/format.ts'
import { verifySignature } from '../src/token/verify.ts'
import { base64url, codeOf } from './fixtures.ts'

const corpora = inject('corpora')
const there = Object.keys(corpora).length > 0

interface Vector extends JsonObject {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly jws: unknown
  readonly msg: string
  readonly sig: string
  readonly ctx?: string
}

interface Group extends JsonObject {
  readonly tests: readonly Vector[]
}

function read<T>(path: string): T {
  return JSON.parse(corpora[path] ?? 'null') as T
}

function groups(name: string): readonly Group[] {
  return read<{ testGroups: readonly Group[] }>(`wycheproof/${name}.json`).testGroups
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** The verdict on a JWS under a JWK; an error of another class than ours is a failure. */
async function verdict(jwk: unknown, jws: () => CompactJws): Promise<string> {
  try {
    await verifySignature(jws(), await importVerifyKey(parsePublicJwk(jwk)), 0)
    return 'accepted'
  } catch (error) {
    if (error instanceof AuthError) return error.code
    throw error
  }
}

/** The public key of a group, which is not always there as a JWK. */
function publicJwkOf({ publicKey, publicKeyJwk, keyJwk }: Group): JsonObject {
  const jwk = publicKeyJwk ?? keyJwk
  if (isJsonObject(jwk)) return jwk
  if (typeof publicKey === 'string') return { kty: 'AKP', pub: base64url(fromHex(publicKey)) }
  const { uncompressed } = publicKey as { uncompressed: string }
  const [x, y] = [uncompressed.slice(2, 66), uncompressed.slice(66)].map(fromHex)
  return { kty: 'EC', crv: 'P-256', x: base64url(x ?? ''), y: base64url(y ?? '') }
}

function raw(alg: unknown, vector: Vector): () => CompactJws {
  return () => ({
    header: { alg },
    signature: fromHex(vector.sig),
    signingInput: fromHex(vector.msg),
    payloadSegment: '',
  })
}

describe.skipIf(!there)('published vectors (skipped where there is no corpora folder)', () => {
  it('Wycheproof JWS: accepts nothing invalid, and everything valid but what is listed', async () => {
    // The reason for each valid vector that is refused here.
    const strict: Record<string, readonly number[]> = {
      'symmetric algorithms do not exist here': [1, 348, 352, 357, 358, 359, 372, 373, 376, 377],
      'SHA-384 and SHA-512 variants are not in the table': [
        264, 265, 266, 267, 268, 269, 270, 271, 320, 321, 322, 323, 325, 326, 327, 328,
      ],
      'an empty payload cannot hold claims': [259, 272],
      'the algorithm is pinned to the key, and ES521 is no algorithm': [346, 347, 350, 351],
    }
    const refused: number[] = []
    let accepted = 0
    for (const group of groups('json_web_signature_test')) {
      const jwk = (group.public ?? group.private) as JsonObject
      for (const vector of group.tests) {
        const result = await verdict({ kid: 'k', ...jwk }, () => parseCompact(vector.jws))
        if (vector.result !== 'valid') expect(result, `${vector.tcId}`).not.toBe('accepted')
        else if (result !== 'accepted') refused.push(vector.tcId)
        else accepted += 1
      }
    }
    expect(refused).toEqual(
      Object.values(strict)
        .flat()
        .sort((a, b) => a - b),
    )
    expect(accepted).toBe(14)
  })

  it('Wycheproof JWK: accepts nothing invalid, and the valid sets that are not symmetric', async () => {
    const accepted: number[] = []
    for (const group of groups('json_web_key_test')) {
      for (const vector of group.tests) {
        const code = await codeOf(async () => {
          const { keys } = await importKeySet(parseJwks(group.public ?? group.private))
          const jws = parseCompact(vector.jws)
          const key = keys.get(String(jws.header.kid))
          if (!key) throw new AuthError('key_unknown', 'the kid is in the key set')
          await verifySignature(jws, key, 0)
        })
        expect(['accepted', 'jwks_invalid']).toContain(code)
        if (code === 'accepted') accepted.push(vector.tcId)
      }
    }
    expect(accepted).toEqual([5])
  })

  it.each([
    ['EdDSA', 'ed25519_test', 88],
    ['ES256', 'ecdsa_secp256r1_sha256_p1363_test', 148],
    ['RS256', 'rsa_signature_2048_sha256_test', 1],
    ['PS256', 'rsa_pss_2048_sha256_mgf1_32_test', 1],
    ['ML-DSA-44', 'mldsa_44_verify_test', 1],
    ['ML-DSA-65', 'mldsa_65_verify_test', 1],
  ])('Wycheproof %s: agrees with every verdict', async (alg, file, atLeast) => {
    let accepted = 0
    for (const group of groups(file)) {
      const jwk = { ...publicJwkOf(group), kid: 'k', alg }
      for (const vector of group.tests) {
        // A JWS has no context string (RFC 9964 section 4).
        if (vector.ctx) continue
        const result = await verdict(jwk, raw(alg, vector))
        expect(`${vector.tcId} ${result === 'accepted'}`).toBe(
          `${vector.tcId} ${vector.result === 'valid'}`,
        )
        if (result === 'accepted') accepted += 1
      }
    }
    expect(accepted).toBeGreaterThanOrEqual(atLeast)
  })

  it('Ed25519 of the reference implementation: accepts all, and refuses each with one bit changed', async () => {
    const lines = (corpora['ed25519-djb/sign.input.txt'] ?? '')
      .split('\n')
      .filter((line) => line !== '')
    expect(lines.length).toBe(1024)
    for (const line of lines) {
      const [, pk = '', msg = '', signed = ''] = line.split(':')
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(fromHex(pk)), kid: 'k' }
      const vector = {
        tcId: 0,
        comment: '',
        result: 'valid',
        jws: '',
        msg,
        sig: signed.slice(0, 128),
      } as const
      expect(await verdict(jwk, raw('EdDSA', vector))).toBe('accepted')
      const flipped = (Number.parseInt(vector.sig.slice(0, 1), 16) ^ 1).toString(16)
      const broken = { ...vector, sig: `${flipped}${vector.sig.slice(1)}` }
      expect(await verdict(jwk, raw('EdDSA', broken))).toBe('signature_invalid')
    }
  })

  it('Ed25519 edge cases: what a small-order key would let pass is out of reach', async () => {
    interface Case {
      readonly message: string
      readonly pub_key: string
      readonly signature: string
    }
    const accepted: number[] = []
    for (const [index, test] of read<readonly Case[]>('ed25519-speccheck/cases.json').entries()) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(fromHex(test.pub_key)), kid: 'k' }
      const vector = {
        tcId: index,
        comment: '',
        result: 'valid',
        jws: '',
        msg: test.message,
        sig: test.signature,
      } as const
      if ((await verdict(jwk, raw('EdDSA', vector))) === 'accepted') accepted.push(index)
    }
    // Mixed-order points verify under RFC 8032 without a cofactor too; runtimes differ in case 2.
    expect(accepted.filter((index) => index !== 2)).toEqual([3])
  })

  it('RFC 7515 and RFC 8037: the appendices verify, in the algorithms that exist here', async () => {
    interface Case {
      readonly id: string
      readonly alg: string
      readonly jwk: JsonObject
      readonly compact: string
      readonly result: string
    }
    const { tests } = read<{ tests: readonly Case[] }>('rfc/jws_rfc7515_rfc8037.json')
    const accepted: string[] = []
    for (const test of tests) {
      const { d: _, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...jwk } = test.jwk ?? {}
      const result = await verdict({ kid: 'k', ...jwk }, () => parseCompact(test.compact))
      if (result === 'accepted') accepted.push(test.id)
      if (test.result !== 'valid') expect(result).not.toBe('accepted')
    }
    expect(accepted).toEqual(expect.arrayContaining(['RFC7515-A.2', 'RFC7515-A.3']))
    expect(accepted.some((id) => id.startsWith('RFC8037'))).toBe(true)
  })

  it('RFC 7638 and RFC 8037: the thumbprints are those of the RFCs', async () => {
    interface Case {
      readonly jwk: JsonObject
      readonly thumbprint_sha256: string
    }
    const { tests } = read<{ tests: readonly Case[] }>('rfc/jwk_thumbprints_rfc7638_rfc8037.json')
    expect(tests.length).toBeGreaterThan(1)
    for (const test of tests) expect(await thumbprint(test.jwk)).toBe(test.thumbprint_sha256)
  })

  it.each(['ML_DSA_44', 'ML_DSA_65'])(
    'ML-DSA for JOSE, %s: key, thumbprint and JWS',
    async (name) => {
      interface Case {
        readonly jwk: JsonObject
        readonly jws: string
      }
      const { jwk, jws } = read<Case>(`ml-dsa-jose/${name}.jose.json`)
      const { priv: _, ...published } = jwk
      expect(await thumbprint(published)).toBe(jwk.kid)
      expect(await verdict(published, () => parseCompact(jws))).toBe('accepted')
      const broken = `${jws.slice(0, -8)}AAAAAAAA`
      expect(await verdict(published, () => parseCompact(broken))).toBe('signature_invalid')
    },
  )

  it('JSONTestSuite: takes no invalid document, and every valid object but what is listed', () => {
    const refused: string[] = []
    for (const [path, latin1] of Object.entries(corpora)) {
      if (!path.startsWith('jsontestsuite/test_parsing/')) continue
      const name = path.slice(path.lastIndexOf('/') + 1)
      const bytes = Uint8Array.from(latin1, (char) => char.charCodeAt(0))
      const parsed = parseJsonObject(bytes)
      if (name.startsWith('n_')) expect(parsed, name).toBeUndefined()
      if (!name.startsWith('y_')) continue
      const expected: unknown = JSON.parse(new TextDecoder().decode(bytes))
      const isObject = typeof expected === 'object' && expected !== null && !Array.isArray(expected)
      if (!isObject) expect(parsed, name).toBeUndefined()
      else if (parsed === undefined) refused.push(name)
      else expect(parsed, name).toEqual(expected)
    }
    expect(refused.sort()).toEqual([
      'y_object_duplicated_key.json',
      'y_object_duplicated_key_and_value.json',
    ])
  })
})
