import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { seedProject } from '../src/seed.ts'
import { signToken, type TokenClaims, verifyToken } from '../src/tokens.ts'
import { createManualClock, startWorld, type World } from './world.ts'

const secret = 'a secret of the test'
const claims: TokenClaims = {
  authTokenType: 'identityAccessToken',
  identityId: 'i',
  clientSecretId: 's',
  identityAccessTokenId: 't',
  iat: 1000,
  exp: 1600,
}

describe('the form of a token', () => {
  test('what is signed is read back', () => {
    expect(verifyToken(signToken(claims, secret), secret, 1_000_000)).toEqual(claims)
  })

  test.each([
    [1_599_999, true],
    [1_600_000, false],
    [1_600_001, false],
  ])('with exp at 1600 s, at %d ms it is good: %s', (nowMs, isGood) => {
    const verify = () => verifyToken(signToken(claims, secret), secret, nowMs)
    if (isGood) expect(verify()).toEqual(claims)
    else expect(verify).toThrow('Your token has expired')
  })

  test.each([
    ['no dots', 'garbage', 'malformed'],
    ['two parts', 'a.b', 'malformed'],
    ['four parts', 'a.b.c.d', 'malformed'],
    ['a header that is no JSON', 'AAAA.e30.AAAA', 'malformed'],
    ['another secret', signToken(claims, 'another'), 'invalid signature'],
    ['a changed payload', changed(signToken(claims, secret)), 'invalid signature'],
  ])('%s is refused', (_what, token, reason) => {
    expect(() => verifyToken(token, secret, 1_000_000)).toThrow(reason)
  })
})

function changed(token: string): string {
  const [header, , signature] = token.split('.')
  const payload = Buffer.from(JSON.stringify({ ...claims, identityId: 'other' }))
  return `${header}.${payload.toString('base64url')}.${signature}`
}

describe('the life of a token', () => {
  const clock = createManualClock()
  let world: World
  let credentials: { clientId: string; clientSecret: string }
  let projectId: string

  beforeEach(async () => {
    world = await startWorld({ clock })
    const project = await seedProject(world.url, world.server.adminToken, {
      projectName: 'journal',
      slug: 'journal-keys',
      identities: [
        { name: 'short', role: 'viewer', accessTokenTTL: 10, accessTokenMaxTTL: 25 },
        { name: 'endless', role: 'viewer', accessTokenTTL: 10, accessTokenMaxTTL: 0 },
      ],
    })
    projectId = project.projectId
    credentials = project.identities.short ?? expect.unreachable()
    endless = project.identities.endless ?? expect.unreachable()
  })
  afterEach(() => world.end())
  let endless: typeof credentials

  const use = async (token: string) => {
    const where = `workspaceId=${projectId}&environment=dev`
    const { status, body } = await world.call(`GET /api/v3/secrets/raw?${where}`, { token })
    return status === 200 ? 200 : `${status} ${body.error}`
  }
  const renew = async (accessToken: string) => {
    const { status, body } = await world.call('POST /api/v1/auth/token/renew', {
      body: { accessToken },
    })
    return status === 200 ? 200 : `${status} ${body.message}`
  }

  test.each([
    [9_999, 200],
    [10_000, 200],
    [10_001, '401 UnauthorizedError'],
  ])('with a TTL of 10 s, a use after %d ms answers %s', async (ms, expected) => {
    const token = await world.login(credentials)
    clock.advance(ms)
    expect(await use(token)).toBe(expected)
  })

  test('a renewal starts the TTL anew', async () => {
    const token = await world.login(credentials)
    clock.advance(9000)
    expect(await renew(token)).toBe(200)
    clock.advance(9000)
    expect(await use(token)).toBe(200)
    clock.advance(1001)
    expect(await use(token)).toBe('401 UnauthorizedError')
  })

  test.each([
    [0, 200],
    [1, '401 Failed to renew MI access token past its Max TTL expiration'],
  ])('a renewal %d ms after max TTL less TTL answers %s', async (ms, expected) => {
    const token = await world.login(credentials)
    clock.advance(8000)
    await renew(token)
    clock.advance(7000 + ms)
    expect(await renew(token)).toBe(expected)
  })

  test('without a max TTL a token is renewed for ever', async () => {
    const token = await world.login(endless)
    for (let day = 0; day < 30; day += 1) {
      clock.advance(10_000)
      expect(await renew(token)).toBe(200)
    }
    expect(await use(token)).toBe(200)
  })

  test('a revoked token is gone, and the other token of the identity is not', async () => {
    const [token, other] = [await world.login(credentials), await world.login(credentials)]
    await world.call('POST /api/v1/auth/token/revoke', { body: { accessToken: token } })
    expect(await use(token)).toBe('401 UnauthorizedError')
    expect(await use(other)).toBe(200)
  })
})
