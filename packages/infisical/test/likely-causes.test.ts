import { describe, expect, it } from 'vitest'
import {
  type AttemptContext,
  InfisicalError,
  type InfisicalErrorCode,
  likelyCauses,
} from '../src/index.ts'

const CREDENTIALS = {
  method: 'universal-auth',
  clientId: 'the-client-id',
  clientSecret: 'the-client-secret',
} as const

function causes(
  code: InfisicalErrorCode,
  context: AttemptContext = {},
  details: Record<string, unknown> = {},
): readonly string[] {
  return likelyCauses(new InfisicalError(code, 'expected something', details), {
    siteUrl: 'https://app.infisical.com',
    credentials: CREDENTIALS,
    ...context,
  })
}

describe('the likely causes of a refused login', () => {
  it('begin with white space where the credentials have it, and never show them', () => {
    const credentials = { ...CREDENTIALS, clientSecret: 'the-client-secret\n' }
    const found = causes('invalid_credentials', { credentials })
    expect(found[0]).toMatch(/^the client secret has white space/)
    expect(found.join()).not.toContain('the-client-secret')
  })

  it('name the secret before the server before the id', () => {
    const [secret, server, id] = causes('invalid_credentials')
    expect(secret).toContain('wrong, revoked, expired or used up')
    expect(server).toContain('other region')
    expect(id).toContain('another identity')
  })

  it.each([
    ['https://app.infisical.com', 'https://eu.infisical.com'],
    ['https://us.infisical.com', 'https://eu.infisical.com'],
    ['https://eu.infisical.com', 'https://app.infisical.com'],
  ])('of %s point at the other region', (siteUrl, other) => {
    expect(causes('invalid_credentials', { siteUrl }).join()).toContain(other)
  })

  it('of an own server name it', () => {
    const found = causes('invalid_credentials', { siteUrl: 'https://secrets.test' }).join()
    expect(found).toContain('https://secrets.test')
    expect(found).not.toContain('region')
  })

  it.each([
    ['unknown_client', 'does not know this client id'],
    ['expired_secret', 'has expired'],
    ['exhausted_secret', 'limit of uses'],
  ])('are narrowed by the reason %s', (reason, words) => {
    const found = causes('invalid_credentials', {}, { reason })
    expect(found[0]).toContain(words)
    expect(found.join()).not.toContain('wrong, revoked')
  })
})

describe('the likely causes of a refused call', () => {
  it('name the place and the environment, which servers report like a permission', () => {
    const context = { projectId: 'project-1', environment: 'prdo', path: '/auth/jwt' }
    const [permission, environment] = causes('forbidden', context)
    expect(permission).toContain('folder /auth/jwt of environment prdo of project project-1')
    expect(environment).toContain('no environment prdo')
  })

  it('tell a missing project from a missing secret', () => {
    const context = { projectId: 'project-1', path: '/auth/jwt' }
    expect(causes('not_found', context, { reason: 'missing_project' })[0]).toContain('project-1')
    expect(causes('not_found', context, { reason: 'missing_secret' })[0]).toContain('/auth/jwt')
  })

  it('of a static token that ended ask for an identity', () => {
    const credentials = { method: 'token', token: 'the-static-token' } as const
    const found = causes('token_lost', { credentials })
    expect(found[0]).toContain('client id and secret')
    expect(found.join()).not.toContain('the-static-token')
  })

  it('behind Access depend on whether a service token was sent', () => {
    expect(causes('access_blocked')[0]).toContain('set INFISICAL_CUSTOM_HEADERS')
    const headers = { 'cf-access-client-id': 'id', 'cf-access-client-secret': 'the-access-secret' }
    const found = causes('access_blocked', { headers })
    expect(found[0]).toContain('refuses the service token')
    expect(found.join()).not.toContain('the-access-secret')
  })

  it.each([
    ['ENOTFOUND', 'host name'],
    ['ECONNREFUSED', 'no server listens'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NODE_EXTRA_CA_CERTS'],
    ['ECONNRESET', 'down or restarting'],
  ])('without a connection follow from %s', (systemCode, words) => {
    expect(causes('unreachable', {}, { systemCode })[0]).toContain(words)
  })

  it.each([
    'invalid_credentials',
    'invalid_request',
    'locked',
    'untrusted_ip',
    'token_lost',
    'forbidden',
    'not_found',
    'access_blocked',
    'not_json',
    'redirected',
    'unreachable',
    'timeout',
    'server_error',
    'rate_limited',
  ] as const)('of %s are there even when nothing of the attempt is known', (code) => {
    const found = likelyCauses(new InfisicalError(code, 'expected something'))
    expect(found.length).toBeGreaterThan(0)
    for (const cause of found) expect(cause).not.toContain('undefined')
  })

  it('are none for an error of somebody else', () => {
    expect(likelyCauses(new Error('mine'))).toEqual([])
  })
})
