import { describe, expect, it } from 'vitest'
import { CliError } from '../src/cli-error.ts'
import { readSettings, urlBelow } from '../src/settings.ts'

const projectFile = {
  workspaceId: 'of-file',
  defaultEnvironment: 'staging',
  domain: 'https://file.example',
}
const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error instanceof CliError ? error.exit : error
  }
  return 0
}

describe('readSettings', () => {
  it('takes a flag before a variable, and a variable before .infisical.json', () => {
    const env = { INFISICAL_PROJECT_ID: 'of-env', INFISICAL_ENVIRONMENT: 'prod' }
    const flags = { projectId: 'of-flag', env: 'dev', domain: 'https://flag.example' }
    expect(readSettings({ flags, env, projectFile }).infisicalVariables).toMatchObject({
      INFISICAL_PROJECT_ID: 'of-flag',
      INFISICAL_ENVIRONMENT: 'dev',
      INFISICAL_SERVER_URL: 'https://flag.example',
    })
    expect(readSettings({ flags: {}, env, projectFile }).infisicalVariables).toMatchObject({
      INFISICAL_PROJECT_ID: 'of-env',
      INFISICAL_ENVIRONMENT: 'prod',
    })
    expect(readSettings({ flags: {}, env: {}, projectFile }).infisicalVariables).toMatchObject({
      INFISICAL_PROJECT_ID: 'of-file',
      INFISICAL_ENVIRONMENT: 'staging',
      INFISICAL_API_URL: 'https://file.example',
    })
  })

  it('leaves the domain of .infisical.json aside where any variable names one', () => {
    for (const name of ['INFISICAL_SERVER_URL', 'INFISICAL_DOMAIN', 'INFISICAL_API_URL']) {
      const { infisicalVariables } = readSettings({
        flags: {},
        env: { [name]: 'https://env.example' },
        projectFile,
      })
      expect(Object.values(infisicalVariables)).not.toContain('https://file.example')
    }
  })

  it('counts an empty variable as absent', () => {
    const env = { INFISICAL_PROJECT_ID: ' ', KEYTURN_ISSUER: '', KEYTURN_POLICY: '' }
    const settings = readSettings({ flags: {}, env, projectFile })
    expect(settings.infisicalVariables.INFISICAL_PROJECT_ID).toBe('of-file')
    expect(settings.issuer).toBeUndefined()
    expect(settings.policyOptions).toEqual({})
    expect(codeOf(() => settings.requireIssuer())).toBe(2)
  })

  it('keeps the issuer exactly as it is written, since iss is compared so', () => {
    const env = { KEYTURN_ISSUER: 'https://issuer.example/' }
    expect(readSettings({ flags: {}, env }).issuer).toBe('https://issuer.example/')
  })

  it.each([
    ['KEYTURN_ISSUER', 'issuer.example'],
    ['KEYTURN_ISSUER', 'file:///etc/passwd'],
    ['KEYTURN_ISSUER', 'https://user:word@issuer.example'],
    ['KEYTURN_ADMIN_URL', 'https://issuer.example/?a=b'],
    ['KEYTURN_POLICY', '[]'],
    ['KEYTURN_POLICY', '{'],
  ])('refuses %s=%s as wrong usage', (name, value) => {
    expect(codeOf(() => readSettings({ flags: {}, env: { [name]: value } }))).toBe(2)
  })
})

describe('urlBelow', () => {
  it('joins a path to a base with or without a slash at its end', () => {
    for (const base of ['https://a.example', 'https://a.example/', 'https://a.example//']) {
      expect(urlBelow(base, '/x')).toBe('https://a.example/x')
    }
    expect(urlBelow('https://a.example/tenant/', '/x')).toBe('https://a.example/tenant/x')
  })
})
