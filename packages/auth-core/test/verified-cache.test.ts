import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  AuthError,
  createVerifiedCache,
  defineExpected,
  type ResolveKey,
  type VerifiedCache,
  type VerifyKey,
  verifyToken,
} from '../src/index.ts'
import { importVerifyKey, type PublicJwk, publicJwkOf } from '../src/jwk.ts'
import { createSigner, generateFreshKey, signAccessToken } from '../src/signing.ts'
import {
  AUDIENCE,
  claims,
  codeOf,
  forge,
  header,
  ISSUER,
  NOW,
  publicJwk,
  RFC8037,
  resolverFor,
} from './fixtures.ts'

const expected = defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance: 60 })
const resolveKey = await resolverFor({ keys: [publicJwk] })
const token = await forge()
const key = await importVerifyKey(await publicJwkOf(RFC8037.private))

/** Counts how often a resolved key is asked to verify: a hit of the cache asks never. */
function counting(source: ResolveKey) {
  const counter = { checks: 0 }
  const counted = new Map<VerifyKey, VerifyKey>()
  const resolve: ResolveKey = async (kid, iat) => {
    const found = await source(kid, iat)
    const known = counted.get(found)
    if (known) return known
    const proxy = {
      ...found,
      get cryptoKey() {
        counter.checks += 1
        return found.cryptoKey
      },
    }
    counted.set(found, proxy)
    return proxy
  }
  return { counter, resolve }
}

describe('verifyToken with a cache', () => {
  let cache: VerifiedCache
  beforeEach(() => {
    cache = createVerifiedCache()
  })

  const verdict = (text: unknown, change: Partial<Parameters<typeof verifyToken>[1]> = {}) =>
    codeOf(() => verifyToken(text, { resolveKey, expected, now: NOW, cache, ...change }))

  it('checks the signature of a token once', async () => {
    const { counter, resolve } = counting(resolveKey)
    for (let use = 0; use < 5; use++) {
      expect(await verdict(token, { resolveKey: resolve })).toBe('accepted')
    }
    expect(counter.checks).toBe(1)
    expect(cache.entries).toBe(1)
  })

  it('remembers no token whose signature does not hold', async () => {
    const [head = '', body = ''] = token.split('.')
    const forged = `${head}.${body}.${'A'.repeat(86)}`
    const { counter, resolve } = counting(resolveKey)
    for (let use = 0; use < 3; use++) {
      expect(await verdict(forged, { resolveKey: resolve })).toBe('signature_invalid')
    }
    expect([counter.checks, cache.entries]).toEqual([3, 0])
  })

  it('attack 42: 1,000 checks of one token give one answer, cached or not, good or bad', async () => {
    const wrongIssuer = await forge({ ...claims, iss: `${ISSUER}x` })
    for (const [text, answer] of [
      [token, 'accepted'],
      [wrongIssuer, 'iss_mismatch'],
      [`${token}=`, 'token_malformed'],
      [await forge(claims, { ...header, kid: 'a b' }), 'header_invalid'],
    ] as const) {
      const answers = new Set<unknown>()
      for (let use = 0; use < 1000; use++) answers.add(await verdict(text))
      expect([...answers]).toEqual([answer])
    }
  })

  it('attack 43: two tokens that differ in one byte never share an entry', async () => {
    expect(await verdict(token)).toBe('accepted')
    for (let at = 0; at < token.length; at++) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
      expect(await verdict(changed), `byte ${at}`).not.toBe('accepted')
    }
    expect(await verdict(`${token}A`)).not.toBe('accepted')
    expect(await verdict(token.slice(0, -1))).not.toBe('accepted')
    expect(cache.entries).toBe(1)
  })

  it('attack 43: an entry is of no use from exp + tolerance on', async () => {
    expect(await verdict(token)).toBe('accepted')
    expect(await verdict(token, { now: claims.exp + 59 })).toBe('accepted')
    expect(await verdict(token, { now: claims.exp + 60 })).toBe('token_expired')
    expect(await verdict(token, { now: claims.exp + 61 })).toBe('token_expired')
  })

  it.each(['key_unknown', 'key_revoked'] as const)(
    'attack 43: an entry dies as soon as its kid is %s, and does not come back with another key',
    async (code) => {
      expect(await verdict(token)).toBe('accepted')
      const gone = () => {
        throw new AuthError(code, 'the kid is in the key set')
      }
      expect(await verdict(token, { resolveKey: gone })).toBe(code)
      expect(cache.entries).toBe(0)
      const { jwk } = await generateFreshKey('EdDSA', NOW)
      const other = await importVerifyKey({ ...jwk, kid: RFC8037.kid })
      expect(await verdict(token, { resolveKey: () => other })).toBe('signature_invalid')
    },
  )

  it.each(['key_undecided', 'keys_unavailable'] as const)(
    'keeps an entry while its key is %s, and uses it only afterwards',
    async (code) => {
      const { counter, resolve } = counting(resolveKey)
      expect(await verdict(token, { resolveKey: resolve })).toBe('accepted')
      const away = () => {
        throw new AuthError(code, 'the keys can be had')
      }
      expect(await verdict(token, { resolveKey: away })).toBe(code)
      expect(await verdict(token, { resolveKey: resolve })).toBe('accepted')
      expect(counter.checks).toBe(1)
    },
  )

  it('counts for the very key object only: another object is asked again', async () => {
    expect(await verdict(token)).toBe('accepted')
    const { counter, resolve } = counting(await resolverFor({ keys: [publicJwk] }))
    expect(await verdict(token, { resolveKey: resolve })).toBe('accepted')
    expect(counter.checks).toBe(1)
  })

  it('attack 67: refuses a key past its end on a hit too', async () => {
    const ending = await resolverFor({ keys: [{ ...publicJwk, nbf: NOW - 10, exp: NOW + 5 }] })
    expect(await verdict(token, { resolveKey: ending, now: NOW + 4 })).toBe('accepted')
    expect(cache.entries).toBe(1)
    expect(await verdict(token, { resolveKey: ending, now: NOW + 5 })).toBe('key_expired')
  })

  it('attack 72: a token verified for one API proves nothing to another one', async () => {
    expect(await verdict(token)).toBe('accepted')
    const policies = [
      [{ issuer: ISSUER, audience: 'https://other.example' }, 'aud_mismatch'],
      [{ issuer: 'https://other.example', audience: AUDIENCE }, 'iss_mismatch'],
      [{ issuer: ISSUER, audience: AUDIENCE, scope: 'admin' }, 'scope_insufficient'],
      [{ issuer: ISSUER, audience: AUDIENCE, scope: 'reports:read' }, 'accepted'],
    ] as const
    for (const [policy, code] of policies) {
      expect(await verdict(token, { expected: defineExpected(policy) })).toBe(code)
    }
  })

  it('attack 72: a bound token and another typ stay refused, however often they come', async () => {
    const bound = await forge({ ...claims, cnf: { jkt: 'AA' } })
    const typed = await forge(claims, { ...header, typ: 'JWT' })
    for (let use = 0; use < 3; use++) {
      expect(await verdict(bound)).toBe('claims_invalid')
      expect(await verdict(typed)).toBe('typ_mismatch')
    }
  })

  it('hands out claims that nobody can change, deep inside too', async () => {
    const rich = await forge({ ...claims, aud: [AUDIENCE], tenant: { roles: ['reader'] } })
    for (let use = 0; use < 2; use++) {
      const { claims: given } = await verifyToken(rich, { resolveKey, expected, now: NOW, cache })
      const tenant = given.tenant as { roles: string[] }
      expect(() => Object.assign(given, { sub: 'user:admin' })).toThrow(TypeError)
      expect(() => Object.assign(given, { admin: true })).toThrow(TypeError)
      expect(() => tenant.roles.push('admin')).toThrow(TypeError)
      expect(() => (given.aud as string[]).push('https://other.example')).toThrow(TypeError)
    }
    const { claims: later } = await verifyToken(rich, { resolveKey, expected, now: NOW, cache })
    expect(later).toEqual({ ...claims, aud: [AUDIENCE], tenant: { roles: ['reader'] } })
  })
})

describe('createVerifiedCache', () => {
  it('stays within its entries and bytes, and counts what it holds', () => {
    const text = fc
      .integer({ min: 0, max: 30 })
      .map((n) => `${n}`.padEnd(1 + ((n * 37) % 400), 'x'))
    const action = fc.oneof(
      fc.record({ do: fc.constant('set' as const), text }),
      fc.record({ do: fc.constant('delete' as const), text }),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8000 }),
        fc.array(action, { maxLength: 60 }),
        (maxEntries, maxBytes, actions) => {
          const cache = createVerifiedCache({ maxEntries, maxBytes })
          for (const { do: what, text: of } of actions) {
            if (what === 'set') cache.set(of, { key, claims: { of } })
            else cache.delete(of)
            expect(cache.entries).toBeLessThanOrEqual(maxEntries)
            expect(cache.bytes).toBeLessThanOrEqual(maxBytes)
            expect(cache.bytes >= cache.entries * 512).toBe(true)
            expect(cache.bytes === 0).toBe(cache.entries === 0)
            if (what === 'delete') expect(cache.get(of)).toBeUndefined()
          }
          for (const { text: of } of actions) cache.delete(of)
          expect([cache.entries, cache.bytes]).toEqual([0, 0])
        },
      ),
      { seed: 3, numRuns: 500 },
    )
  })

  it('drops what came first, and keeps what came last', () => {
    const cache = createVerifiedCache({ maxEntries: 2 })
    for (const of of ['a', 'b', 'c']) cache.set(of, { key, claims: { of } })
    expect(['a', 'b', 'c'].map((of) => cache.get(of)?.claims.of)).toEqual([undefined, 'b', 'c'])
  })

  it('does not take what alone would break its bounds, and drops nothing for it', () => {
    const cache = createVerifiedCache({ maxBytes: 2000 })
    cache.set('a', { key, claims: {} })
    cache.set('x'.repeat(1000), { key, claims: {} })
    expect([cache.entries, cache.get('a')?.key]).toEqual([1, key])
  })

  it('wants bounds that are positive whole numbers', () => {
    for (const bound of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createVerifiedCache({ maxEntries: bound })).toThrow(TypeError)
      expect(() => createVerifiedCache({ maxBytes: bound })).toThrow(TypeError)
    }
  })
})

describe('verification with a cache and without', () => {
  const KIDS = ['k1', 'k2'] as const
  /** What a kid can resolve to. `moved` and `ended` are other objects for one and the same key. */
  const STATES = ['there', 'moved', 'ended', 'swapped', 'removed', 'revoked', 'away'] as const
  type State = (typeof STATES)[number]

  const FAILURES: Partial<Record<State, 'key_unknown' | 'key_revoked' | 'keys_unavailable'>> = {
    removed: 'key_unknown',
    revoked: 'key_revoked',
    away: 'keys_unavailable',
  }

  async function createIssuer(kid: string) {
    const { jwk, privateJwk } = await generateFreshKey('EdDSA', NOW - 100)
    const stranger = await generateFreshKey('EdDSA', NOW - 100)
    if (!privateJwk) throw new TypeError('a fresh key has a private half')
    const published: PublicJwk = { ...jwk, nbf: NOW - 100 }
    const signer = await createSigner(privateJwk, published)
    const objectOf = (from: PublicJwk) => importVerifyKey({ ...from, kid })
    const objects: Partial<Record<State, VerifyKey>> = {
      there: await objectOf(published),
      moved: await objectOf(published),
      ended: await objectOf({ ...published, exp: NOW + 100 }),
      swapped: await objectOf(stranger.jwk),
    }
    const sign = (change: object) =>
      signAccessToken({ ...signer, jwk: { ...published, kid } }, { ...claims, ...change })
    return { kid, objects, sign }
  }

  const changes = [
    {},
    { aud: ['https://other.example', AUDIENCE] },
    { aud: 'https://other.example' },
    { iss: 'https://other-issuer.example' },
    { exp: NOW + 60 },
    { exp: NOW + 400, nbf: NOW + 100 },
    { iat: NOW + 100 },
    { scope: 'admin' },
    { sub: '' },
    { cnf: { jkt: 'AA' } },
  ]

  const policies = [
    { issuer: ISSUER, audience: AUDIENCE },
    { issuer: ISSUER, audience: AUDIENCE, clockTolerance: 0 },
    { issuer: ISSUER, audience: AUDIENCE, clockTolerance: 300 },
    { issuer: ISSUER, audience: 'https://other.example' },
    { issuer: 'https://other-issuer.example', audience: AUDIENCE },
    { issuer: ISSUER, audience: AUDIENCE, scope: ['reports:read'] },
    { issuer: ISSUER, audience: AUDIENCE, scope: ['admin'] },
  ].map(defineExpected)

  it('is one and the same, over any moves of clock, keys, policies and tokens', async () => {
    const issuers = await Promise.all(KIDS.map(createIssuer))
    const tokens = (
      await Promise.all(
        issuers.map(async ({ sign }) => {
          const signed = await Promise.all(changes.map(sign))
          const broken = signed.slice(0, 2).map((text) => `${text.slice(0, -5)}AAAAA`)
          return [...signed, ...broken]
        }),
      )
    ).flat()

    const action = fc.oneof(
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('clock' as const),
          by: fc.constantFrom(-200, -60, -1, 1, 59, 60, 61, 300, 600),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('key' as const),
          kid: fc.constantFrom(...KIDS),
          to: fc.constantFrom(...STATES, 'there' as const, 'there' as const),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('verify' as const),
          token: fc.constantFrom(...tokens, ...tokens.slice(0, 1), ...tokens.slice(0, 1)),
          policy: fc.constantFrom(...policies),
        }),
      },
    )
    const seen = { hits: 0, codes: new Set<unknown>() }

    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(action, { minLength: 10, maxLength: 60 }),
        async (maxEntries, actions) => {
          const cache = createVerifiedCache({ maxEntries })
          const states: Record<string, State> = { k1: 'there', k2: 'there' }
          let now = NOW
          const resolve: ResolveKey = (kid) => {
            const state = states[kid] ?? 'removed'
            const found = issuers.find((issuer) => issuer.kid === kid)?.objects[state]
            if (found) return found
            throw new AuthError(FAILURES[state] ?? 'key_unknown', 'the kid is in the key set')
          }
          const outcome = async (text: string, policy: typeof expected, by?: VerifiedCache) => {
            const options = { resolveKey: resolve, expected: policy, now, ...(by && { cache: by }) }
            let verified: unknown
            const code = await codeOf(async () => {
              verified = await verifyToken(text, options)
            })
            return { code, verified }
          }
          for (const step of actions) {
            if (step.do === 'clock') now += step.by
            if (step.do === 'key') states[step.kid] = step.to
            if (step.do !== 'verify') continue
            if (cache.get(step.token)) seen.hits += 1
            const plain = await outcome(step.token, step.policy)
            expect(await outcome(step.token, step.policy, cache)).toEqual(plain)
            seen.codes.add(plain.code)
          }
        },
      ),
      { seed: 9, numRuns: 400 },
    )
    expect(seen.hits).toBeGreaterThan(500)
    expect([...seen.codes].sort()).toEqual([
      'accepted',
      'aud_mismatch',
      'claims_invalid',
      'iss_mismatch',
      'key_expired',
      'key_revoked',
      'key_unknown',
      'keys_unavailable',
      'scope_insufficient',
      'signature_invalid',
      'token_expired',
      'token_not_yet_valid',
    ])
  }, 30_000)
})
