import { describe, expect, it } from 'vitest'
import { type Environment, type InfisicalPurpose, readInfisicalConfig } from '../src/index.ts'

const OWN = { UA_CLIENT_ID_TOKEN_SERVICE: 'own-id', UA_CLIENT_SECRET_TOKEN_SERVICE: 'own-secret' }
const COMMON = {
  INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: 'common-id',
  INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: 'common-secret',
}
const TOKEN = { INFISICAL_TOKEN: 'static-token' }
const PROJECT = { INFISICAL_PROJECT_ID: 'project-1' }

const read = (env: Environment, purpose: InfisicalPurpose = 'token-service') =>
  readInfisicalConfig({ ...PROJECT, ...env }, { purpose })

describe('the identity', () => {
  const own = { method: 'universal-auth', clientId: 'own-id', clientSecret: 'own-secret' }
  const common = { method: 'universal-auth', clientId: 'common-id', clientSecret: 'common-secret' }
  const token = { method: 'token', token: 'static-token' }

  it.each([
    ['token-service', { ...OWN, ...COMMON, ...TOKEN }, own],
    ['token-service', { ...COMMON, ...TOKEN }, common],
    ['token-service', TOKEN, token],
    ['operator', { ...OWN, ...COMMON, ...TOKEN }, common],
    ['operator', { ...OWN, ...TOKEN }, token],
  ] as const)('of the %s is the first that is set', (purpose, env, credentials) => {
    expect(read(env, purpose).credentials).toEqual(credentials)
  })

  it('is flagged where it is a static token, which ends', () => {
    expect(read(TOKEN).staticToken).toBe(true)
    expect(read({ ...COMMON, ...TOKEN }).staticToken).toBe(false)
  })

  it('keeps its white space, so that the likely cause of a refusal can name it', () => {
    const env = { ...OWN, UA_CLIENT_SECRET_TOKEN_SERVICE: 'own-secret\n' }
    expect(read(env).credentials).toMatchObject({ clientSecret: 'own-secret\n' })
  })
})

describe('what is missing', () => {
  it.each([
    ['nothing is set', {}, 'token-service', ['INFISICAL_PROJECT_ID', ...Object.keys(OWN)]],
    ['the operator has nothing', {}, 'operator', ['INFISICAL_PROJECT_ID', ...Object.keys(COMMON)]],
    [
      'the secret is missing',
      { ...PROJECT, UA_CLIENT_ID_TOKEN_SERVICE: 'x' },
      'token-service',
      ['UA_CLIENT_SECRET_TOKEN_SERVICE'],
    ],
    [
      'half a pair stands before a whole one',
      { ...PROJECT, ...COMMON, UA_CLIENT_SECRET_TOKEN_SERVICE: 'x' },
      'token-service',
      ['UA_CLIENT_ID_TOKEN_SERVICE'],
    ],
    [
      'an empty variable stands for none',
      { ...TOKEN, INFISICAL_PROJECT_ID: '' },
      'operator',
      ['INFISICAL_PROJECT_ID'],
    ],
  ] as const)('is named: %s', (_, env, purpose, missing) => {
    expect(() => readInfisicalConfig(env, { purpose })).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: `expected to be set: ${missing.join(', ')}`,
        details: { missing },
      }),
    )
  })
})

describe('the server', () => {
  it.each([
    [{}, 'https://app.infisical.com'],
    [{ INFISICAL_API_URL: 'https://eu.infisical.com/api' }, 'https://eu.infisical.com'],
    [
      { INFISICAL_API_URL: 'https://a.test', INFISICAL_DOMAIN: 'https://b.test/' },
      'https://b.test',
    ],
    [
      { INFISICAL_DOMAIN: 'https://b.test', INFISICAL_SERVER_URL: 'https://c.test/api/' },
      'https://c.test',
    ],
    [
      { INFISICAL_SERVER_URL: 'http://127.0.0.1:8080/infisical/api' },
      'http://127.0.0.1:8080/infisical',
    ],
    [
      { INFISICAL_SERVER_URL: '', INFISICAL_DOMAIN: 'https://b.test/apiary' },
      'https://b.test/apiary',
    ],
  ])('of %o is %s', (env, siteUrl) => {
    expect(read({ ...TOKEN, ...env }).siteUrl).toBe(siteUrl)
  })

  it('that is no URL is refused by the name of its variable, without its value', () => {
    const env = { ...TOKEN, INFISICAL_DOMAIN: 'https://user:hunter2@b.test' }
    expect(() => read(env)).toThrow(/^expected INFISICAL_DOMAIN to have no credentials/)
    expect(() => read({ ...TOKEN, INFISICAL_DOMAIN: 'b.test' })).toThrow('INFISICAL_DOMAIN')
  })
})

describe('the environment and the headers', () => {
  it('are prod and none by default', () => {
    expect(read(TOKEN)).toMatchObject({ projectId: 'project-1', environment: 'prod', headers: {} })
  })

  it('are what is set', () => {
    const env = {
      ...TOKEN,
      INFISICAL_ENVIRONMENT: 'staging',
      INFISICAL_CUSTOM_HEADERS: 'CF-Access-Client-Id=id.access CF-Access-Client-Secret="a b"',
    }
    expect(read(env)).toMatchObject({
      environment: 'staging',
      headers: { 'cf-access-client-id': 'id.access', 'cf-access-client-secret': 'a b' },
    })
  })
})
