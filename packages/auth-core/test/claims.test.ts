import { describe, expect, it } from 'vitest'
import { type AlgorithmName, defineExpected, validateClaims } from '../src/index.ts'
import { AUDIENCE, claims, codeOf, ISSUER, NOW } from './fixtures.ts'

const expected = defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance: 60 })

function verdict(change: Record<string, unknown>, now = NOW): Promise<unknown> {
  return codeOf(() => validateClaims({ ...claims, ...change }, expected, now))
}

describe('validateClaims', () => {
  it('attack 33: takes the issuer character by character', async () => {
    for (const iss of [`${ISSUER}/`, ISSUER.toUpperCase(), ISSUER.slice(0, -1), `x${ISSUER}`]) {
      expect(await verdict({ iss })).toBe('iss_mismatch')
    }
    expect(await verdict({ iss: [ISSUER] })).toBe('claims_invalid')
  })

  it('attack 34: takes an audience only as a whole string', async () => {
    for (const aud of ['https://api', [`${AUDIENCE}x`], ['other', 'another']]) {
      expect(await verdict({ aud })).toBe('aud_mismatch')
    }
    for (const aud of [undefined, '', [], [AUDIENCE, 1], null, { 0: AUDIENCE }]) {
      expect(await verdict({ aud })).toBe('claims_invalid')
    }
    expect(await verdict({ aud: ['other', AUDIENCE] })).toBe('accepted')
  })

  it('attack 35: takes times only as whole seconds in bounds', async () => {
    const bad = [undefined, '1', null, true, [1], -1, 1e308, 1.5, 2 ** 53 + 1, Number.NaN]
    for (const name of ['exp', 'iat']) {
      for (const value of bad) {
        expect(await verdict({ [name]: value }), `${name}: ${String(value)}`).toBe('claims_invalid')
      }
    }
    for (const value of bad.slice(1)) expect(await verdict({ nbf: value })).toBe('claims_invalid')
  })

  it('attack 37: steps exactly at the tolerance', async () => {
    expect(await verdict({}, claims.exp + 59)).toBe('accepted')
    expect(await verdict({}, claims.exp + 60)).toBe('token_expired')
    expect(await verdict({ iat: NOW + 60 })).toBe('accepted')
    expect(await verdict({ iat: NOW + 61 })).toBe('token_not_yet_valid')
    expect(await verdict({ nbf: NOW + 60 })).toBe('accepted')
    expect(await verdict({ nbf: NOW + 61 })).toBe('token_not_yet_valid')
  })

  it('wants sub, jti and client_id as non-empty strings (RFC 9068 section 2.2)', async () => {
    for (const name of ['sub', 'jti', 'client_id']) {
      for (const value of [undefined, '', 1, null]) {
        expect(await verdict({ [name]: value })).toBe('claims_invalid')
      }
    }
  })

  it('attack 76: takes no token that is bound to a key as a plain Bearer', async () => {
    for (const cnf of [{ jkt: 'x' }, {}, null, 'x']) {
      expect(await verdict({ cnf })).toBe('claims_invalid')
    }
  })

  it('wants every scope, as whole words', async () => {
    const scoped = (scope: string[]) =>
      codeOf(() =>
        validateClaims(claims, defineExpected({ issuer: ISSUER, audience: AUDIENCE, scope }), NOW),
      )
    expect(await scoped(['reports:read'])).toBe('accepted')
    expect(await scoped(['reports:write', 'reports:read'])).toBe('accepted')
    expect(await scoped(['reports'])).toBe('scope_insufficient')
    expect(await scoped(['reports:read', 'admin'])).toBe('scope_insufficient')
    expect(await verdict({ scope: ['reports:read'] })).toBe('claims_invalid')
  })
})

describe('defineExpected', () => {
  it('attack 36: refuses a tolerance that is no small whole number', () => {
    for (const clockTolerance of [Number.POSITIVE_INFINITY, Number.NaN, -1, 301, 1.5]) {
      expect(() => defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance })).toThrow(
        TypeError,
      )
    }
  })

  it('knows how long a token of the expected algorithms can be', () => {
    const limit = (algorithms?: readonly AlgorithmName[]) =>
      defineExpected({ issuer: ISSUER, audience: AUDIENCE, ...(algorithms && { algorithms }) })
        .maxTokenBytes
    expect(limit()).toBe(8192)
    expect(limit(['ML-DSA-65'])).toBe(8192)
    expect(limit(['EdDSA'])).toBe(8192 - 4412 + 86)
    expect(limit(['EdDSA', 'RS256'])).toBe(8192 - 4412 + 1366)
    for (const algorithms of [[], ['HS256'], ['none'], ['constructor']]) {
      expect(() => limit(algorithms as AlgorithmName[])).toThrow(TypeError)
    }
  })

  it('refuses to expect nothing', () => {
    expect(() => defineExpected({ issuer: '', audience: AUDIENCE })).toThrow(TypeError)
    expect(() => defineExpected({ issuer: ISSUER, audience: [] })).toThrow(TypeError)
    expect(() => defineExpected({ issuer: ISSUER, audience: '' })).toThrow(TypeError)
    expect(() => defineExpected({ issuer: ISSUER, audience: AUDIENCE, scope: 'a b' })).toThrow(
      TypeError,
    )
  })
})
