import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requestToken, startWorld, type World } from '@keyturn/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let dataDir: string
let world: World

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keyturn-e2e-'))
  world = await startWorld({ dataDir, policy: {}, edgeAccessSecret: 'not-the-secret' })
})

afterAll(async () => {
  await world?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const STACK_TRACE = /\n\s+at |node:internal/

describe('an edge whose Access service token is wrong', () => {
  it('answers a valid token with 503 and Retry-After, never 401, and names the cause', async () => {
    const { code, stdout } = await world.keyturn([
      'clients',
      'create',
      '--name',
      'f',
      '--scope',
      'reports:read',
      '--audience',
      world.audience,
      '--json',
    ])
    expect(code).toBe(0)
    const { client_id: clientId, client_secret: clientSecret } = JSON.parse(stdout)
    const minted = await requestToken({ issuer: world.urls.issuer, clientId, clientSecret })
    if (typeof minted === 'string') throw new Error(minted)
    const answer = await fetch(`${world.urls.edge}/api/reports`, {
      headers: { authorization: `Bearer ${minted.token}` },
    })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.text()).not.toMatch(STACK_TRACE)

    const health = await fetch(`${world.urls.edge}/internal/health`)
    expect(await health.text()).toContain('access_login')
    expect(world.access.counts.refused).toBeGreaterThan(0)
    expect(world.access.counts.passed).toBe(0)
  })

  it('is named by keys check, which says that a flip is not safe', async () => {
    const { code, stdout, stderr } = await world.keyturn(['keys', 'check'])
    expect(code).toBe(3)
    expect(stdout).toMatch(/FAIL\s+edge local/)
    expect(`${stdout}${stderr}`).not.toMatch(STACK_TRACE)
  })
})

describe('an issuer whose Infisical secret is wrong', () => {
  it('refuses to start and names the likely causes', async () => {
    await world.issuer().stop()
    const wrong = { UA_CLIENT_SECRET_TOKEN_SERVICE: ' not-the-secret' }
    const error = await world.startIssuer(wrong).catch((thrown: unknown) => thrown)
    expect(await world.issuer().exited).toBe(1)
    const printed = (error as Error).message
    expect(printed).toMatch(/white space/)
    expect(printed).toMatch(/another server/)
    expect(printed).toMatch(/expired/)
    expect(printed).not.toContain('not-the-secret')
    expect(world.issuer().output()).not.toMatch(STACK_TRACE)
  })
})
