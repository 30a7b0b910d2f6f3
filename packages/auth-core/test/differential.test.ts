import fc from 'fast-check'
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { type AlgorithmName, findAlgorithm } from '../src/algorithms.ts'
import { createVerifiedCache, defineExpected, verifyToken } from '../src/index.ts'
import { generateFreshKey } from '../src/signing.ts'
import { CHANGES, type Change, honestDraft, writeToken } from './differential-tokens.ts'
import { AUDIENCE, codeOf, ISSUER, NOW, resolverFor } from './fixtures.ts'

const SIGNERS: Readonly<Record<string, AlgorithmName>> = {
  ed1: 'EdDSA',
  ed2: 'EdDSA',
  ended: 'EdDSA',
  ec: 'ES256',
  rsa: 'RS256',
}

const keys = await Promise.all(
  Object.entries(SIGNERS).map(async ([kid, alg]) => {
    const { jwk, privateJwk } = await generateFreshKey(alg, NOW - 1000)
    const published = { ...jwk, kid, nbf: NOW - 900, ...(kid === 'ended' && { exp: NOW }) }
    const params = findAlgorithm(alg)?.signatureParams
    if (!privateJwk || !params) throw new TypeError('the key is there and signs')
    const signing = (await importJWK(privateJwk, alg)) as CryptoKey
    return {
      kid,
      alg,
      published,
      verifying: await importJWK(published, alg),
      sign: (input: Uint8Array<ArrayBuffer>) => crypto.subtle.sign(params, signing, input),
    }
  }),
)

const expected = defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance: 60 })
const resolveKey = await resolverFor({ keys: keys.map(({ published }) => published) })

const cache = createVerifiedCache()

const ours = (token: string, by?: typeof cache) =>
  codeOf(() => verifyToken(token, { resolveKey, expected, now: NOW, ...(by && { cache: by }) }))

/** What jose says under the same expectations, with the algorithm of the key that the kid names. */
async function joseAccepts(token: string): Promise<boolean> {
  try {
    const { kid } = decodeProtectedHeader(token)
    const key = keys.find((candidate) => candidate.kid === kid)
    if (!key) return false
    await jwtVerify(token, key.verifying, {
      algorithms: [key.alg],
      typ: 'at+jwt',
      issuer: ISSUER,
      audience: AUDIENCE,
      clockTolerance: 60,
      currentDate: new Date(NOW * 1000),
      requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
    })
    return true
  } catch {
    return false
  }
}

interface Verdict {
  readonly changes: readonly Change[]
  readonly code: unknown
  /** The same with a cache that all tokens share: at first sight, and seen before. */
  readonly cached: readonly unknown[]
  readonly accepted: boolean
  readonly jose: boolean
}

async function judge(signer: string, changes: readonly Change[]): Promise<Verdict> {
  const draft = changes.reduce(
    (before, change) => change.apply(before),
    honestDraft(signer, SIGNERS[signer] ?? ''),
  )
  const key = keys.find(({ kid }) => kid === draft.signer)
  if (!key) throw new TypeError('the signer is there')
  const token = await writeToken(draft, key.sign)
  const code = await ours(token)
  const cached = [await ours(token, cache), await ours(token, cache)]
  return { changes, code, cached, accepted: code === 'accepted', jose: await joseAccepts(token) }
}

const nameOf = ({ changes, code, jose }: Verdict) =>
  `${changes.map(({ name }) => name).join(' + ')}: ${String(code)}, jose: ${jose}`

const signer = fc.constantFrom('ed1', 'ed1', 'ed2', 'ec', 'rsa')

/** Drafts with up to three changes; every change is among the first of them by itself. */
const samples: readonly (readonly [string, readonly Change[]])[] = [
  ...CHANGES.flatMap((change) => ['ed1', 'ec', 'rsa'].map((name) => [name, [change]] as const)),
  ...fc.sample(fc.tuple(signer, fc.uniqueArray(fc.constantFrom(...CHANGES), { maxLength: 3 })), {
    seed: 2026,
    numRuns: 4000,
  }),
]

const verdicts = await Promise.all(samples.map(([by, changes]) => judge(by, changes)))

describe(`verifyToken beside jose, over ${verdicts.length} tokens`, () => {
  it('throws nothing but its own error, whatever is in a token', () => {
    expect(verdicts.filter(({ code }) => typeof code !== 'string')).toEqual([])
  })

  it('says the same with a cache, at first sight and afterwards', () => {
    const other = verdicts.filter(({ cached, code }) => cached.some((verdict) => verdict !== code))
    expect(other.map(nameOf)).toEqual([])
  })

  it('accepts nothing that jose refuses', () => {
    expect(verdicts.filter(({ accepted, jose }) => accepted && !jose).map(nameOf)).toEqual([])
  })

  it('refuses what jose accepts only for a listed reason', () => {
    const unexplained = verdicts.filter(
      ({ accepted, changes, jose }) =>
        jose && !accepted && !changes.some(({ strict }) => strict !== undefined),
    )
    expect(unexplained.map(nameOf)).toEqual([])
  })

  it('differs from jose for every listed reason, with no other change in the token', () => {
    const differing = new Set(
      verdicts
        .filter(({ accepted, changes, jose }) => jose && !accepted && changes.length === 1)
        .map(({ changes }) => changes[0]),
    )
    const missing = CHANGES.filter((change) => change.strict && !differing.has(change))
    expect(missing.map(({ name }) => name)).toEqual([])
  })

  it('never accepts a token with a strict change that no later one undid', () => {
    const passed = verdicts.filter(
      ({ accepted, changes }) => accepted && changes.at(-1)?.strict !== undefined,
    )
    expect(passed.map(nameOf)).toEqual([])
  })

  it('judges good tokens and broken ones, of every algorithm', () => {
    const count = (of: (verdict: Verdict) => boolean) => verdicts.filter(of).length
    expect(count(({ accepted, jose }) => accepted && jose)).toBeGreaterThan(300)
    expect(count(({ accepted, jose }) => !accepted && !jose)).toBeGreaterThan(2000)
    const good = new Set(samples.filter((_, at) => verdicts[at]?.accepted).map(([by]) => by))
    expect([...good].sort()).toEqual(['ec', 'ed1', 'ed2', 'rsa'])
  })
})
