import { describe, expect, it } from 'vitest'
import { isLoopback, parseConfig } from '../src/config.ts'

const issuer = { KEYTURN_ISSUER: 'https://auth.example' }
const configOf = (env: Record<string, string>) => parseConfig({ ...issuer, ...env }).config
const problemsOf = (env: Record<string, string>) => parseConfig({ ...issuer, ...env }).problems

describe('the configuration', () => {
  it('needs the issuer only; everything else has a default on loopback', () => {
    expect(configOf({})).toMatchObject({
      issuer: 'https://auth.example',
      jwksUri: 'https://auth.example/.well-known/jwks.json',
      public: { host: '127.0.0.1', port: 4000 },
      private: { host: '127.0.0.1', port: 4001 },
      database: './keyturn.db',
      pollSeconds: 60,
      logLevel: 'info',
    })
  })

  it('reports everything that is wrong at once, by name', () => {
    const { problems } = parseConfig({
      KEYTURN_PORT: 'x',
      KEYTURN_POLL_SECONDS: '0',
      LOG_LEVEL: 'loud',
    })
    expect(problems).toEqual([
      'KEYTURN_ISSUER is required',
      'KEYTURN_PORT is a port number',
      'KEYTURN_POLL_SECONDS is 1 to 99999 whole seconds',
      'LOG_LEVEL is one of fatal, error, warn, info, debug, trace, silent',
    ])
  })

  it('counts an empty variable as absent', () => {
    expect(configOf({ KEYTURN_PORT: '', KEYTURN_JWKS_URI: '' })?.public.port).toBe(4000)
    expect(parseConfig({ KEYTURN_ISSUER: '' }).problems).toEqual(['KEYTURN_ISSUER is required'])
  })

  it.each([
    'auth.example',
    'http://auth.example',
    'ftp://auth.example',
    'https://auth.example/tenant',
    'https://auth.example?',
    'https://auth.example#',
    'https://user@auth.example',
  ])('refuses %s as an issuer', (KEYTURN_ISSUER) => {
    expect(problemsOf({ KEYTURN_ISSUER })).toEqual([expect.stringContaining('KEYTURN_ISSUER is')])
  })

  it.each(['http://127.0.0.1:4000', 'http://localhost:4000', 'http://[::1]:4000', 'https://a.b/'])(
    'takes %s as an issuer, exactly as written',
    (KEYTURN_ISSUER) => {
      expect(configOf({ KEYTURN_ISSUER })?.issuer).toBe(KEYTURN_ISSUER)
    },
  )

  it('does not double the slash of an issuer that ends in one', () => {
    const config = configOf({ KEYTURN_ISSUER: 'https://a.b/' })
    expect(config?.jwksUri).toBe('https://a.b/.well-known/jwks.json')
  })

  it('names the edge as the place of the keys where it is told to', () => {
    const KEYTURN_JWKS_URI = 'https://edge.example/keys'
    expect(configOf({ KEYTURN_JWKS_URI })?.jwksUri).toBe(KEYTURN_JWKS_URI)
    expect(problemsOf({ KEYTURN_JWKS_URI: 'edge' })).toHaveLength(1)
  })

  it('demands a token where the private listener is not on loopback', () => {
    const open = { KEYTURN_PRIVATE_HOST: '0.0.0.0' }
    expect(problemsOf(open)).toEqual([
      'KEYTURN_PRIVATE_TOKEN is required where KEYTURN_PRIVATE_HOST is not a loopback host',
    ])
    const KEYTURN_PRIVATE_TOKEN = 'sixteen-letters!'
    expect(configOf({ ...open, KEYTURN_PRIVATE_TOKEN })?.privateToken).toBe(KEYTURN_PRIVATE_TOKEN)
  })

  it('refuses a short private token without repeating it', () => {
    const problems = problemsOf({ KEYTURN_PRIVATE_TOKEN: 'hunter2' })
    expect(problems).toHaveLength(1)
    expect(problems?.join()).not.toContain('hunter2')
  })

  it('completes the policy and refuses one under which a valid token could be refused', () => {
    const KEYTURN_POLICY = '{"accessTokenTtl":300}'
    expect(configOf({ KEYTURN_POLICY })?.policy).toMatchObject({
      accessTokenTtl: 300,
      overlapWindow: 3600,
    })
    expect(problemsOf({ KEYTURN_POLICY: '{"overlapWindow":10}' })?.[0]).toMatch(
      /^KEYTURN_POLICY overlapWindow \(10 s\) is at least/,
    )
    expect(problemsOf({ KEYTURN_POLICY: '{"surprise":1}' })?.[0]).toContain('surprise')
  })

  it.each(['{', '[]', '"x"', 'null'])('refuses %s as a policy', (KEYTURN_POLICY) => {
    expect(problemsOf({ KEYTURN_POLICY })).toEqual([
      'KEYTURN_POLICY is a JSON object of durations in seconds',
    ])
  })

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['localhost', true],
    ['::1', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['127.0.0.1.evil.example', false],
    ['localhost.evil.example', false],
    ['10.0.0.1', false],
  ])('knows whether %s is this machine only', (host, expected) => {
    expect(isLoopback(host)).toBe(expected)
  })
})
