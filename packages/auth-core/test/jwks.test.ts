import { describe, expect, it } from 'vitest'
import { algorithmOf } from '../src/algorithms.ts'
import { importKeySet, jwksDigest, parseJwks } from '../src/index.ts'
import { parsePublicJwk, publicJwkOf, thumbprint } from '../src/jwk.ts'
import { generateFreshKey } from '../src/signing.ts'
import { base64url, codeOf, NOW, publicJwk, RFC8037 } from './fixtures.ts'

describe('a public JWK', () => {
  it('has the RFC 7638 thumbprint of RFC 8037 appendix A.3', async () => {
    expect(await thumbprint(RFC8037.public)).toBe(RFC8037.kid)
    expect((await publicJwkOf(RFC8037.private)).kid).toBe(RFC8037.kid)
  })

  it('keeps only members of the allow-list', () => {
    const parsed = parsePublicJwk({
      ...publicJwk,
      x5c: ['AA'],
      note: 'hi',
      iat: NOW,
    })
    expect(parsed).toEqual({ ...publicJwk, iat: NOW })
  })

  it('attack 15: refuses another algorithm, use or operation', async () => {
    const changes = [
      { alg: 'ES256' },
      { alg: 'Ed25519' },
      { crv: 'Ed448' },
      { crv: 'X25519' },
      { kty: 'EC' },
      { use: 'enc' },
      { key_ops: ['sign'] },
      { key_ops: 'verify' },
    ]
    for (const change of changes) {
      expect(await codeOf(() => parsePublicJwk({ ...publicJwk, ...change }))).toBe('jwk_invalid')
    }
    expect(parsePublicJwk({ ...publicJwk, key_ops: ['verify'] }).kid).toBe(RFC8037.kid)
  })

  it('attack 14: has an algorithm by its type, whatever alg a header claims', () => {
    expect(algorithmOf(RFC8037.public)?.alg).toBe('EdDSA')
    expect(algorithmOf({ kty: 'oct', k: 'AA' })).toBeUndefined()
  })

  it('attack 19: refuses points of small order and non-canonical ones, in both signs', async () => {
    const hex = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    for (const point of hex) {
      const bytes = Uint8Array.from(point.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
      for (const sign of [0, 0x80]) {
        const signed = bytes.map((byte, index) => (index === 31 ? byte | sign : byte))
        const jwk = { ...publicJwk, x: base64url(signed) }
        expect(await codeOf(() => parsePublicJwk(jwk)), point).toBe('jwk_invalid')
      }
    }
  })

  it('refuses an x of another length or spelling', async () => {
    for (const x of ['', 'AA', `${RFC8037.public.x}=`, ` ${RFC8037.public.x}`, 5, undefined]) {
      expect(await codeOf(() => parsePublicJwk({ ...publicJwk, x }))).toBe('jwk_invalid')
    }
  })
})

describe('parseJwks', () => {
  it('attack 25: refuses a kid that is there twice', async () => {
    const other = { ...(await generateFreshKey('EdDSA', NOW)).jwk, kid: RFC8037.kid }
    for (const twin of [publicJwk, other]) {
      expect(await codeOf(() => parseJwks({ keys: [publicJwk, twin] }))).toBe('jwks_invalid')
    }
  })

  it('attack 26: refuses a document that holds any secret', async () => {
    const secrets = [
      { ...publicJwk, kid: 'a', d: RFC8037.private.d },
      { kty: 'oct', k: 'AAAA', kid: 'b' },
      { kty: 'RSA', n: 'AA', e: 'AQAB', p: 'AA', kid: 'c' },
      { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA', priv: 'AA', kid: 'd' },
    ]
    for (const secret of secrets) {
      expect(await codeOf(() => parseJwks({ keys: [publicJwk, secret] }))).toBe('jwks_invalid')
    }
  })

  it('attack 27: leaves out what it does not know, and says so', () => {
    const ignored: unknown[] = []
    const strange = [{ kty: 'FUTURE', kid: 'f' }, null, 'x', { ...publicJwk, kid: 'y', x: 'AA' }]
    const { keys } = parseJwks({ keys: [...strange, publicJwk] }, (key) => ignored.push(key.kid))
    expect(keys.map(({ kid }) => kid)).toEqual([RFC8037.kid])
    expect(ignored).toEqual(['f', undefined, undefined, 'y'])
  })

  it('attack 28: refuses a document without a usable key', async () => {
    for (const document of [{ keys: [] }, {}, [], null, 'x', { keys: {} }, { keys: [{}] }]) {
      expect(await codeOf(() => parseJwks(document))).toBe('jwks_invalid')
    }
    const many = Array.from({ length: 65 }, (_, index) => ({ ...publicJwk, kid: `k${index}` }))
    expect(await codeOf(() => parseJwks({ keys: many }))).toBe('jwks_invalid')
  })

  it('takes a document of ours in which every key is revoked, and no other one without keys', async () => {
    const revoked = [RFC8037.kid]
    expect(parseJwks({ keys: [], revision: 5, revoked })).toEqual({
      keys: [],
      revision: 5,
      revoked,
    })
    const others = [
      { keys: [], revision: 5, revoked: [] },
      { keys: [], revision: 5 },
      { keys: [], revoked },
      { keys: [{ kty: 'FUTURE', kid: 'f' }], revision: 5, revoked },
    ]
    for (const document of others) {
      expect(await codeOf(() => parseJwks(document))).toBe('jwks_invalid')
    }
  })

  it('refuses a malformed revision or revoked list', async () => {
    for (const revision of ['1', -1, 1.5, 2 ** 60, null]) {
      expect(await codeOf(() => parseJwks({ keys: [publicJwk], revision }))).toBe('jwks_invalid')
    }
    for (const revoked of ['kid', [1], [''], {}]) {
      expect(await codeOf(() => parseJwks({ keys: [publicJwk], revoked }))).toBe('jwks_invalid')
    }
  })
})

describe('importKeySet', () => {
  it('keeps the object of a key that did not change, and drops revoked keys', async () => {
    const other = (await generateFreshKey('EdDSA', NOW)).jwk
    const first = await importKeySet(parseJwks({ keys: [publicJwk, other] }))
    const second = await importKeySet(
      parseJwks({ keys: [other, { ...publicJwk, exp: NOW }], revoked: [other.kid] }),
      first,
    )
    const third = await importKeySet(parseJwks({ keys: [other, publicJwk] }), first)
    expect(second.keys.has(other.kid)).toBe(false)
    expect(second.keys.get(RFC8037.kid)).not.toBe(first.keys.get(RFC8037.kid))
    expect(third.keys.get(other.kid)).toBe(first.keys.get(other.kid))
  })
})

describe('jwksDigest', () => {
  it('does not depend on the order of keys or members, and moves with every member', async () => {
    const other = (await generateFreshKey('EdDSA', NOW)).jwk
    const digest = await jwksDigest(parseJwks({ keys: [publicJwk, other] }))
    const { kid, ...rest } = publicJwk
    expect(await jwksDigest(parseJwks({ keys: [other, { kid, ...rest }] }))).toBe(digest)
    expect(await jwksDigest(parseJwks({ keys: [other, { ...publicJwk, exp: NOW }] }))).not.toBe(
      digest,
    )
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })
})
