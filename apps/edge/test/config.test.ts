import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../src/config.ts'
import { parseRoutes } from '../src/route-table.ts'
import { WORKER_VARS } from './worker-vars.ts'

const MINIMAL = {
  ISSUER: 'https://issuer.test',
  JWKS_URL: 'https://origin.test/.well-known/jwks.json',
  AUDIENCE: 'https://api.test',
}

function problemsOf(change: object): string {
  try {
    parseConfig({ ...MINIMAL, ...change })
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
  return ''
}

describe('the configuration', () => {
  it('has defaults for everything but issuer, origin and audience', () => {
    expect(parseConfig(MINIMAL)).toEqual({
      issuer: 'https://issuer.test',
      jwksUrl: 'https://origin.test/.well-known/jwks.json',
      jwksHeaders: {},
      pingPublicKeys: '',
      clockTolerance: 60,
      clockDifference: 60,
      jwksMaxAge: 300,
      onPartition: 'serve',
      routes: [],
    })
  })

  it('takes what wrangler.jsonc says, which fits the demo', () => {
    const { ISSUER, JWKS_URL } = { ISSUER: 'http://127.0.0.1:4000', JWKS_URL: 'http://[::1]:4050/' }
    expect(parseConfig({ ...env, ISSUER, JWKS_URL })).toMatchObject({ issuer: ISSUER })
  })

  it('compares the issuer as it is written', () => {
    expect(parseConfig({ ...MINIMAL, ISSUER: 'https://issuer.test/' }).issuer).toBe(
      'https://issuer.test/',
    )
  })

  it.each<[object, string]>([
    [{ ISSUER: undefined }, 'ISSUER is a URL'],
    [{ ISSUER: 'http://issuer.test' }, 'ISSUER is an https URL'],
    [{ ISSUER: 'https://issuer.test?x' }, 'ISSUER has no query'],
    [{ JWKS_URL: 'nonsense' }, 'JWKS_URL is a URL'],
    [{ JWKS_URL: 'http://127.0.0.1.evil.test/' }, 'JWKS_URL is an https URL'],
    [{ JWKS_URL: 'https://user:word@origin.test/' }, 'JWKS_URL has no credentials'],
    [{ AUDIENCE: ' , ' }, 'AUDIENCE names at least one audience'],
    [{ CLOCK_TOLERANCE: '301' }, 'CLOCK_TOLERANCE is 0 to 300'],
    [{ CLOCK_TOLERANCE: 'Infinity' }, 'CLOCK_TOLERANCE is 0 to 300'],
    [{ CLOCK_TOLERANCE: '-1' }, 'CLOCK_TOLERANCE is 0 to 300'],
    [{ CLOCK_DIFFERENCE: '1.5' }, 'CLOCK_DIFFERENCE is 0 to 300'],
    [{ JWKS_MAX_AGE: '86401' }, 'JWKS_MAX_AGE is 0 to 86400'],
    [{ ON_PARTITION: 'maybe' }, 'ON_PARTITION is serve or refuse'],
    [{ ACCESS_CLIENT_ID: 'id' }, 'ACCESS_CLIENT_ID and ACCESS_CLIENT_SECRET are set together'],
    [{ ROUTES: '{' }, 'ROUTES is a JSON array'],
  ])('attack 36: refuses %j', (change, problem) => {
    expect(problemsOf(change)).toContain(problem)
  })

  it('names every problem at once, and no value', () => {
    const message = problemsOf({
      ISSUER: 'secret-1',
      AUDIENCE: '',
      ACCESS_CLIENT_SECRET: 'secret-2',
    })
    for (const name of ['ISSUER', 'AUDIENCE', 'ACCESS_CLIENT_ID']) expect(message).toContain(name)
    expect(message).not.toContain('secret')
  })

  it('keeps the service token for the origin’s headers', () => {
    expect(parseConfig({ ...MINIMAL, ...WORKER_VARS }).jwksHeaders).toEqual({
      'CF-Access-Client-Id': WORKER_VARS.ACCESS_CLIENT_ID,
      'CF-Access-Client-Secret': WORKER_VARS.ACCESS_CLIENT_SECRET,
    })
  })
})

describe('the routes', () => {
  const defaults = {
    issuer: 'https://issuer.test',
    audience: ['https://api.test'],
    clockTolerance: 5,
  }
  const parse = (...routes: unknown[]) => parseRoutes(JSON.stringify(routes), defaults)

  it('take issuer, audience and tolerance from the configuration, and what they say themselves', () => {
    const [plain, special] = parse(
      { path: '/api/*' },
      { path: '/x', methods: ['GET'], audience: 'a', scope: 's', upstream: 'https://u.test/b' },
    )
    expect(plain).toMatchObject({
      path: '/api/*',
      expected: { ...defaults, scope: [] },
    })
    expect(plain).not.toHaveProperty('upstream')
    expect(special).toMatchObject({
      path: '/x',
      methods: ['GET'],
      expected: { ...defaults, audience: ['a'], scope: ['s'] },
      upstream: new URL('https://u.test/b'),
    })
  })

  it('may be a list that is no text, as in a JSON variable', () => {
    expect(parseRoutes([{ path: '/' }], defaults)).toHaveLength(1)
  })

  it.each<[string, unknown]>([
    ['a route is a JSON object', null],
    ['a route has no member scopes', { path: '/x', scopes: 'a' }],
    ['path is absolute', { path: 'x' }],
    ['path is absolute', { path: '/a/:id' }],
    ['path is absolute', { path: '/a/*/b' }],
    ['path is absolute', { path: '/a//b' }],
    ['path is absolute', { path: '/a/' }],
    ['served by the Worker itself', { path: '/internal/x' }],
    ['served by the Worker itself', { path: '/.well-known/*' }],
    ['methods is a list', { path: '/x', methods: ['get'] }],
    ['methods is a list', { path: '/x', methods: ['HEAD'] }],
    ['methods is a list', { path: '/x', methods: [] }],
    ['audience is', { path: '/x', audience: '' }],
    ['scope is', { path: '/x', scope: ['a b'] }],
    ['scope is', { path: '/x', scope: 1 }],
    ['upstream is a URL', { path: '/x', upstream: 'u' }],
    ['upstream is an http(s) URL', { path: '/x', upstream: 'ftp://u.test' }],
    ['upstream is an http(s) URL', { path: '/x', upstream: 'https://u:p@u.test' }],
    ['upstream is an http(s) URL', { path: '/x', upstream: 'https://u.test/?q' }],
  ])('are refused: %s', (problem, route) => {
    expect(() => parse({ path: '/ok' }, route)).toThrow(TypeError)
    expect(() => parse({ path: '/ok' }, route)).toThrow(`ROUTES[1]: `)
    expect(() => parse({ path: '/ok' }, route)).toThrow(problem)
  })

  it('are refused where an earlier one covers a later, which would guard nothing', () => {
    const scoped = { path: '/api/admin', scope: 'admin' }
    expect(() => parse({ path: '/api/*' }, scoped)).toThrow('/api/* comes first')
    expect(() => parse({ path: '/*' }, scoped)).toThrow('/* comes first')
    expect(() => parse(scoped, { path: '/api/admin' })).toThrow('comes first')
    expect(() => parse({ path: '/api/admin/*' }, scoped)).toThrow('comes first')
    expect(() => parse({ path: '/a', methods: ['GET'] }, { path: '/a' })).toThrow('comes first')
    expect(parse(scoped, { path: '/api/*' })).toHaveLength(2)
    expect(parse({ path: '/api' }, { path: '/apis' })).toHaveLength(2)
    expect(parse({ path: '/a', methods: ['GET'] }, { path: '/a', methods: ['POST'] })).toHaveLength(
      2,
    )
  })
})
