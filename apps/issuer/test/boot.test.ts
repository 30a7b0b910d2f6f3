import { createHmac } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { importKeySet, jwksDigest, parseJwks } from '@keyturn/auth-core'
import { createPingSigner, currentKey } from '@keyturn/auth-core/signing'
import { freePort } from '@keyturn/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type IssuerProcess, startIssuer } from './issuer-process.ts'
import { decodeProtectedHeader } from './jwt.ts'
import { type SecretStore, startSecretStore } from './secret-store.ts'
import { basic } from './world.ts'

const running: IssuerProcess[] = []
async function start(env: Record<string, string>): Promise<IssuerProcess> {
  const issuer = await startIssuer(env)
  running.push(issuer)
  return issuer
}

const stores: SecretStore[] = []
/** A store that one test may break. */
async function startOwnStore(): Promise<SecretStore> {
  const own = await startSecretStore()
  stores.push(own)
  return own
}

let store: SecretStore
beforeAll(async () => {
  store = await startSecretStore()
})
afterEach(async () => {
  for (const issuer of running.splice(0)) {
    issuer.child.kill('SIGKILL')
    await issuer.exited
  }
  for (const own of stores.splice(0)) await own.stop()
})
afterAll(() => store.stop())

interface Made {
  client_id: string
  client_secret: string
}

async function makeClient(issuer: IssuerProcess): Promise<Made> {
  const response = await fetch(`${issuer.privateUrl}/admin/clients`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'x', scopes: ['read'], audiences: ['https://api.example'] }),
  })
  expect(response.status).toBe(201)
  return (await response.json()) as Made
}

async function mint(issuer: IssuerProcess, { client_id, client_secret }: Made) {
  const response = await fetch(`${issuer.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: basic(client_id, client_secret) },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const { access_token = '' } = (await response.json()) as { access_token?: string }
  return { status: response.status, token: access_token }
}

const jwksOf = async (issuer: IssuerProcess) =>
  parseJwks(await (await fetch(`${issuer.url}/.well-known/jwks.json`)).json())

describe('the issuer as a process', () => {
  it('boots from Infisical, mints, says how it logged in, and stops with code 0', async () => {
    const issuer = await start(store.env)
    await issuer.ready()
    const kid = currentKey(store.keyring)?.kid
    const line = issuer.log().find(({ msg }) => msg === 'issuer ready')
    expect(line).toMatchObject({
      login_method: 'universal-auth',
      kid,
      revision: store.keyring.revision,
    })
    const { status, token } = await mint(issuer, await makeClient(issuer))
    expect(status).toBe(200)
    expect(decodeProtectedHeader(token).kid).toBe(kid)
    expect((await importKeySet(await jwksOf(issuer))).keys.has(String(kid))).toBe(true)
    const health = await (await fetch(`${issuer.privateUrl}/internal/security/health`)).json()
    expect(health).toMatchObject({
      login: { method: 'universal-auth', last_error: null },
      storage: 'ok',
    })
    const metrics = await (await fetch(`${issuer.privateUrl}/metrics`)).text()
    expect(metrics).toContain('infisical_auth_login_total{method="universal-auth",outcome="ok"} 1')
    expect(await issuer.stop()).toBe(0)
    expect(issuer.stderr()).toBe('')
    expect(issuer.log().at(-1)?.msg).toBe('issuer stopped')
  })

  it('keeps its clients over a restart', async () => {
    const first = await start(store.env)
    await first.ready()
    const client = await makeClient(first)
    expect(await first.stop()).toBe(0)
    const second = await start(store.env)
    await second.ready()
    expect((await mint(second, client)).status).toBe(200)
  })

  it('keeps a client that it has answered for when it is killed', async () => {
    const first = await start(store.env)
    await first.ready()
    const client = await makeClient(first)
    first.child.kill('SIGKILL')
    expect(await first.exited).toBeNull()
    const second = await start(store.env)
    await second.ready()
    expect((await mint(second, client)).status).toBe(200)
  })

  it('answers every request that it accepted when it is stopped under load', async () => {
    const issuer = await start(store.env)
    await issuer.ready()
    const client = await makeClient(issuer)
    const statuses: number[] = []
    let stopping = false
    const work = async () => {
      for (;;) {
        const answer = await mint(issuer, client).catch(() => undefined)
        if (answer) statuses.push(answer.status)
        else if (stopping) return
        else throw new Error('a request failed before the issuer was stopped')
      }
    }
    const workers = Array.from({ length: 8 }, work)
    await expect.poll(() => statuses.length).toBeGreaterThan(50)
    stopping = true
    expect(await issuer.stop()).toBe(0)
    await Promise.all(workers)
    expect(statuses.filter((status) => status !== 200)).toEqual([])
    const issued = issuer.log().filter(({ msg }) => msg === 'token issued')
    expect(issued).toHaveLength(statuses.length)
  })

  it('writes no secret to its output, whatever happens', async () => {
    const issuer = await start({ ...store.env, LOG_LEVEL: 'trace' })
    await issuer.ready()
    const client = await makeClient(issuer)
    const { token } = await mint(issuer, client)
    await mint(issuer, { ...client, client_secret: 'wrong' })
    await issuer.stop()
    const output = issuer.stdout() + issuer.stderr()
    const jwt = await store.secrets.list('/auth/jwt')
    const edge = await store.secrets.list('/auth/edge')
    const privateKeys = [...jwt, ...edge].flatMap(
      ({ value }) => value.match(/"d":"([^"]+)"/)?.[1] ?? [],
    )
    expect(privateKeys.length).toBeGreaterThanOrEqual(3)
    for (const secret of [
      store.service.clientSecret,
      client.client_secret,
      token,
      store.webhookSecret,
      ...privateKeys,
    ]) {
      expect(output).not.toContain(secret)
    }
  })
})

describe('an issuer that cannot start', () => {
  async function refusal(env: Record<string, string>) {
    const issuer = await start(env)
    expect(await issuer.exited).toBe(1)
    const text = issuer.stderr()
    expect(text).toMatch(/^keyturn issuer does not start: /)
    expect(text).not.toMatch(/\n\s+at /)
    expect(text).not.toContain(store.service.clientSecret)
    return text
  }

  it('names the likely causes of a wrong client secret', async () => {
    const wrong = `${store.service.clientSecret.slice(0, -4)}0000`
    const text = await refusal({ ...store.env, UA_CLIENT_SECRET_TOKEN_SERVICE: wrong })
    expect(text).toContain('logging in to Infisical as token-service@journal')
    expect(text).toContain('(invalid_credentials)')
    expect(text).toMatch(/likely causes:\n {2}1\. .*client secret is wrong/)
    expect(text).not.toContain(wrong)
  })

  it('says that no server is there', async () => {
    const INFISICAL_SERVER_URL = `http://127.0.0.1:${await freePort()}`
    const text = await refusal({ ...store.env, INFISICAL_SERVER_URL })
    expect(text).toContain('(unreachable)')
    expect(text).toContain('likely causes:')
  })

  it('says that the keyring is not there', async () => {
    const text = await refusal({ ...store.env, INFISICAL_ENVIRONMENT: 'dev' })
    expect(text).toContain('loading the keyring from Infisical')
    expect(text).toContain('likely causes:')
  })

  it('lists everything that is wrong with its environment, Infisical included', async () => {
    const text = await refusal({
      KEYTURN_ISSUER: 'http://issuer.example',
      LOG_LEVEL: 'loud',
      KEYTURN_PRIVATE_HOST: '0.0.0.0',
    })
    for (const name of [
      'KEYTURN_ISSUER',
      'LOG_LEVEL',
      'INFISICAL_PROJECT_ID',
      'UA_CLIENT_ID_TOKEN_SERVICE',
      'UA_CLIENT_SECRET_TOKEN_SERVICE',
    ]) {
      expect(text).toContain(name)
    }
  })

  it('refuses a broken keyring by the name of the invariant', async () => {
    const broken = await startOwnStore()
    await broken.secrets.update('/auth/jwt', 'public_jwks', '{"keys":[]}')
    const text = await refusal(broken.env)
    expect(text).toContain('loading the keyring from Infisical')
    expect(text).toContain('a JWKS has at least one usable key')
    expect(text).toContain('(keyring_invalid)')
  })

  it('refuses a private key that does not belong to its public half', async () => {
    const broken = await startOwnStore()
    const jwt = await broken.secrets.list('/auth/jwt')
    const key = (slot: string) =>
      JSON.parse(jwt.find(({ name }) => name === slot)?.value ?? '{}') as Record<string, string>
    const mixed = JSON.stringify({ ...key('current_private_key'), d: key('next_private_key').d })
    await broken.secrets.update('/auth/jwt', 'current_private_key', mixed)
    expect(await refusal(broken.env)).toContain('(keyring_invalid)')
  })

  it('says which port is taken', async () => {
    const KEYTURN_PORT = new URL(store.url).port
    const text = await refusal({ ...store.env, KEYTURN_PORT })
    expect(text).toContain(`listening on 127.0.0.1:${KEYTURN_PORT} (KEYTURN_HOST, KEYTURN_PORT)`)
    expect(text).toContain('EADDRINUSE')
  })

  it('says which database it cannot open, and leaves one of a newer release alone', async () => {
    const KEYTURN_DATABASE = `${store.dataDir}/missing/issuer.db`
    expect(await refusal({ ...store.env, KEYTURN_DATABASE })).toContain(KEYTURN_DATABASE)
    const newer = `${store.dataDir}/newer.db`
    const db = new DatabaseSync(newer)
    db.exec('CREATE TABLE schema_migrations (version INTEGER, name TEXT, applied_at INTEGER)')
    db.exec(`INSERT INTO schema_migrations VALUES (99, 'x', 1)`)
    db.close()
    expect(await refusal({ ...store.env, KEYTURN_DATABASE: newer })).toContain('newer release')
  })
})

describe('an issuer whose store changes', () => {
  it('signs with the new key after a signed ping, after a webhook, and after a poll', async () => {
    const moving = await startOwnStore()
    const issuer = await start({ ...moving.env, KEYTURN_POLL_SECONDS: '600' })
    await issuer.ready()
    const client = await makeClient(issuer)
    const kidOf = async () => decodeProtectedHeader((await mint(issuer, client)).token).kid

    const pinged = await moving.flip()
    expect(await kidOf()).not.toBe(currentKey(pinged)?.kid)
    const answer = await sendPing(moving, issuer, pinged.revision)
    expect(answer).toMatchObject({
      revision: pinged.revision,
      jwks_sha256: await jwksDigest(await jwksOf(issuer)),
    })
    expect(await kidOf()).toBe(currentKey(pinged)?.kid)

    const hooked = await moving.flip()
    expect((await sendWebhook(moving, issuer)).status).toBe(200)
    expect(await kidOf()).toBe(currentKey(hooked)?.kid)
    await issuer.stop()

    const polled = await start({ ...moving.env, KEYTURN_POLL_SECONDS: '1' })
    await polled.ready()
    const flipped = await moving.flip()
    await expect
      .poll(async () => decodeProtectedHeader((await mint(polled, client)).token).kid, {
        timeout: 4_000,
        interval: 50,
      })
      .toBe(currentKey(flipped)?.kid)
  }, 20_000)

  it('goes on with what it holds when Infisical goes away, and shows it', async () => {
    const leaving = await startOwnStore()
    const issuer = await start({ ...leaving.env, KEYTURN_POLL_SECONDS: '1' })
    await issuer.ready()
    const client = await makeClient(issuer)
    await leaving.stopServer()
    const health = async () =>
      (await (await fetch(`${issuer.privateUrl}/internal/security/health`)).json()) as {
        last_reload: { outcome: string; error: string }
      }
    await expect
      .poll(async () => (await health()).last_reload.outcome, { timeout: 15_000, interval: 100 })
      .toBe('failed')
    expect((await health()).last_reload.error).toBe('unreachable')
    expect((await mint(issuer, client)).status).toBe(200)
    expect((await fetch(`${issuer.url}/readyz`)).status).toBe(200)
    expect(await issuer.stop()).toBe(0)
  }, 30_000)

  async function sendPing(from: SecretStore, issuer: IssuerProcess, revision: number) {
    const key = await from.pingKey()
    if (!key) throw new Error('the layout holds a ping key')
    const jwks_sha256 = 'A'.repeat(43)
    const ping = {
      type: 'keys.changed',
      data: { issuer: issuer.url, revision, jwks_sha256 },
    } as const
    const now = Math.floor(Date.now() / 1000)
    const { headers, body } = await (await createPingSigner(key)).sign(ping, now)
    const response = await fetch(`${issuer.url}/hooks/rotation`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(200)
    return await response.json()
  }

  async function sendWebhook(from: SecretStore, issuer: IssuerProcess) {
    const timestamp = Date.now()
    const project = { workspaceId: 'p', environment: 'prod', secretPath: '/auth/jwt' }
    const body = JSON.stringify({ event: 'secrets.modified', project, timestamp })
    const mac = createHmac('sha256', from.webhookSecret).update(body).digest('hex')
    return await fetch(`${issuer.url}/hooks/infisical`, {
      method: 'POST',
      headers: { 'x-infisical-signature': `t=${timestamp};${mac}` },
      body,
    })
  }
})
