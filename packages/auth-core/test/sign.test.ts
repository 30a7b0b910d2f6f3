import { compactVerify, importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ALGORITHM_NAMES, findAlgorithm } from '../src/algorithms.ts'
import { defineExpected, verifyToken } from '../src/index.ts'
import { publicJwkOf } from '../src/jwk.ts'
import {
  createSigner,
  formatKeyring,
  generateFreshKey,
  parseKeyring,
  publishJwks,
  signAccessToken,
} from '../src/signing.ts'
import { AUDIENCE, claims, codeOf, ISSUER, NOW, RFC8037, resolverFor } from './fixtures.ts'

const published = { ...(await publicJwkOf(RFC8037.private)), iat: NOW - 10, nbf: NOW - 5 }
const privateJwk = { ...RFC8037.private, kid: RFC8037.kid, alg: 'EdDSA' } as const

describe('signAccessToken', () => {
  it('makes a token that we and jose verify, with alg, kid and typ in its header', async () => {
    const token = await signAccessToken(await createSigner(privateJwk, published), claims)
    const { protectedHeader } = await compactVerify(token, await importJWK(RFC8037.public, 'EdDSA'))
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: RFC8037.kid, typ: 'at+jwt' })
    const verified = await verifyToken(token, {
      resolveKey: await resolverFor({ keys: [published] }),
      expected: defineExpected({ issuer: ISSUER, audience: AUDIENCE }),
      now: NOW,
    })
    expect(verified.claims).toEqual(claims)
  })

  it('refuses a token that would outlive its key', async () => {
    const signer = await createSigner(privateJwk, { ...published, exp: claims.exp })
    expect(await codeOf(() => signAccessToken(signer, claims))).toBe('accepted')
    const later = { ...claims, exp: claims.exp + 1 }
    expect(await codeOf(() => signAccessToken(signer, later))).toBe('mint_refused')
  })
})

describe('every algorithm that signs', () => {
  it.each(ALGORITHM_NAMES.filter((alg) => findAlgorithm(alg)?.signs))(
    'makes, stores, signs with and verifies a key of %s',
    async (alg) => {
      const current = await generateFreshKey(alg, NOW - 10)
      const signing = { ...current, jwk: { ...current.jwk, nbf: NOW } }
      const next = await generateFreshKey(alg, NOW)
      const keyring = { keys: [signing, next], revocations: [], revision: NOW * 1000 }
      const read = await parseKeyring(
        { secrets: formatKeyring(keyring), revision: keyring.revision, revoked: {} },
        NOW,
      )
      expect(read).toEqual({ keyring, notes: [] })
      if (!signing.privateJwk) throw new TypeError('a fresh key has a private half')
      const token = await signAccessToken(
        await createSigner(signing.privateJwk, signing.jwk),
        claims,
      )
      const published = publishJwks(read.keyring)
      expect(JSON.stringify(published)).not.toMatch(/"(d|p|q|dp|dq|qi|priv)":/)
      const { kid } = await verifyToken(token, {
        resolveKey: await resolverFor(published),
        expected: defineExpected({ issuer: ISSUER, audience: AUDIENCE }),
        now: NOW,
      })
      expect(kid).toBe(signing.kid)
    },
    20_000,
  )

  it('makes no key of an algorithm that only verifies', async () => {
    expect(await codeOf(() => generateFreshKey('PS256', NOW))).toBe('jwk_invalid')
  })
})

describe('createSigner', () => {
  it('attack 44: refuses a private key whose public half is not its own', async () => {
    const other = await generateFreshKey('EdDSA', NOW)
    const mixed = { ...privateJwk, x: other.jwk.x }
    expect(await codeOf(() => createSigner(mixed, other.jwk))).toBe('jwk_invalid')
  })

  it('refuses a private key that is not the published one', async () => {
    const other = await generateFreshKey('EdDSA', NOW)
    expect(await codeOf(() => createSigner(privateJwk, other.jwk))).toBe('jwk_invalid')
  })

  it('refuses what is no key, without the key in its message', async () => {
    for (const broken of [
      { ...privateJwk, d: 'AA' },
      { ...privateJwk, kty: 'EC' },
    ]) {
      expect(await codeOf(() => createSigner(broken, published))).toBe('jwk_invalid')
    }
  })
})
