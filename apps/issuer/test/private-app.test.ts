import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, requestToken, T0, WEBHOOK_SECRET, type World } from './world.ts'

let world: World
const HOST = 'http://127.0.0.1:4001'
const ask = (path: string, init: RequestInit = {}) =>
  world.privateApp.request(`${HOST}${path}`, init)
const create = (body: unknown, headers: Record<string, string> = {}) =>
  ask('/admin/clients', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.storage.close())

describe('registering a client', () => {
  const wanted = { name: 'Orders', scopes: ['read'], audiences: ['https://api.example'] }

  it('shows the secret once, and the client can use it', async () => {
    const response = await create(wanted)
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const made = (await response.json()) as { client_id: string; client_secret: string }
    expect(made).toEqual({
      client_id: expect.stringMatching(/^c[0-9a-f]{32}$/),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      ...wanted,
      created_at: T0,
    })
    const { client_id, client_secret } = made
    const token = await requestToken(world.app, {
      grant_type: 'client_credentials',
      client_id,
      client_secret,
    })
    expect(token.status).toBe(200)
    const listed = await (await ask('/admin/clients')).text()
    expect(JSON.parse(listed)).toEqual({ clients: [{ client_id, ...wanted, created_at: T0 }] })
    expect(listed).not.toContain(client_secret)
    expect(world.lines.join()).not.toContain(client_secret)
  })

  it.each([
    ['no JSON', '{'],
    ['no name', { audiences: ['a'] }],
    ['an empty name', { name: ' ', audiences: ['a'] }],
    ['no audience', { name: 'x' }],
    ['an empty list of audiences', { name: 'x', audiences: [] }],
    ['an audience with a space', { name: 'x', audiences: ['a b'] }],
    ['a scope with a space', { name: 'x', audiences: ['a'], scopes: ['a b'] }],
    ['a scope twice', { name: 'x', audiences: ['a'], scopes: ['a', 'a'] }],
    ['an unknown member', { name: 'x', audiences: ['a'], client_secret: 'mine' }],
  ])('is refused with %s, and nothing is stored', async (_, body) => {
    const response = await create(body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: 'invalid_request' })
    expect(await world.storage.clients.list()).toEqual([])
  })

  it('is refused over 64 KiB', async () => {
    expect((await create({ ...wanted, name: 'x'.repeat(70_000) })).status).toBe(413)
  })
})

describe('disabling a client', () => {
  it('is done once by id', async () => {
    const { client_id } = (await (await create({ name: 'x', audiences: ['a'] })).json()) as {
      client_id: string
    }
    const disable = (id: string) => ask(`/admin/clients/${id}/disable`, { method: 'POST' })
    expect((await disable(client_id)).status).toBe(204)
    expect((await world.storage.clients.find(client_id))?.client.disabledAt).toBe(T0)
    expect((await disable('nobody')).status).toBe(404)
  })
})

describe('the security health page', () => {
  it('says how the process is logged in and what it holds', async () => {
    world.clock.set(T0 + 12)
    const response = await ask('/internal/security/health')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      login: {
        method: 'universal-auth',
        since: new Date(T0 * 1000).toISOString(),
        expires_at: new Date((T0 + 600) * 1000).toISOString(),
        renewals: 2,
        last_error: null,
      },
      keyring: {
        revision: world.keyring.revision,
        jwks_sha256: world.holder.held()?.digest,
        staleness: 12,
        signing_kid: world.keyring.current.kid,
        keys: [
          { kid: world.keyring.next.kid, status: 'next', age: 1012 },
          { kid: world.keyring.current.kid, status: 'current', age: 2012 },
        ],
        rotation_overdue_by: 0,
        notes: [],
        edges: [],
      },
      last_reload: { outcome: 'changed', at: new Date(T0 * 1000).toISOString(), error: null },
      storage: 'ok',
      uptime: 42,
    })
  })

  it('shows a failed reload by its code while the last good keyring stays', async () => {
    world.reader.answer = async () => {
      throw Object.assign(new Error('unreachable'), { code: 'unreachable' })
    }
    world.clock.set(T0 + 90)
    await world.reloader.reload('poll')
    expect(await (await ask('/internal/security/health')).json()).toMatchObject({
      keyring: { staleness: 90, signing_kid: world.keyring.current.kid },
      last_reload: { outcome: 'failed', error: 'unreachable' },
    })
  })

  it('lists revoked kids', async () => {
    const { kid } = world.keyring.current
    await world.holder.revoke([{ kid, at: T0, reason: 'lost' }])
    const page = (await (await ask('/internal/security/health')).json()) as {
      keyring: { keys: unknown[] }
    }
    expect(page.keyring.keys).toContainEqual({ kid, status: 'revoked' })
  })

  it('holds no secret', async () => {
    const text = await (await ask('/internal/security/health')).text()
    for (const { privateJwk } of world.keyring.keys) {
      expect(text).not.toContain(String(privateJwk?.d))
    }
    expect(text).not.toContain(String(world.pingKey.d))
    expect(text).not.toContain(WEBHOOK_SECRET)
  })
})

describe('the private listener', () => {
  it('prints every metric that it promises', async () => {
    world.metrics.login('universal-auth', 'ok', 120)
    const text = await (await ask('/metrics')).text()
    for (const name of [
      'infisical_auth_login_total{method="universal-auth",outcome="ok"} 1',
      'infisical_auth_login_duration_seconds_count{method="universal-auth"} 1',
      'infisical_auth_health_check_total',
      'keyturn_reloads_total',
      'keyturn_tokens_issued_total',
      'keyturn_token_refusals_total',
      'keyturn_webhook_deliveries_total',
      'keyturn_keyring_staleness_seconds',
      'keyturn_http_request_duration_seconds',
    ]) {
      expect(text).toContain(name)
    }
  })

  it.each(['http://evil.example:4001', 'http://127.0.0.1.evil.example', 'http://10.0.0.8:4001'])(
    'refuses a request to %s, as a rebound name would make it',
    async (origin) => {
      const response = await world.privateApp.request(`${origin}/admin/clients`)
      expect(response.status).toBe(403)
      expect(await response.json()).toEqual({ error: 'foreign_host' })
    },
  )

  it.each(['http://localhost:4001', 'http://127.0.0.1:9', 'http://[::1]:4001'])(
    'answers on loopback as %s',
    async (origin) => {
      expect((await world.privateApp.request(`${origin}/admin/clients`)).status).toBe(200)
    },
  )

  it('refuses what a browser sends from a page, and does nothing', async () => {
    const response = await create(
      { name: 'x', audiences: ['a'] },
      { origin: 'https://evil.example' },
    )
    expect(response.status).toBe(403)
    expect(await world.storage.clients.list()).toEqual([])
  })

  it('demands its token everywhere where one is set', async () => {
    world = await createWorld({ config: { privateToken: 'the-private-token-1' } })
    for (const path of ['/admin/clients', '/metrics', '/internal/security/health', '/nothing']) {
      for (const authorization of [
        undefined,
        'Bearer wrong',
        'Basic the-private-token-1',
        'Bearer ',
      ]) {
        const response = await ask(path, { headers: authorization ? { authorization } : {} })
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
      }
    }
    const headers = { authorization: 'Bearer the-private-token-1' }
    expect((await ask('/metrics', { headers })).status).toBe(200)
    expect(world.lines.join()).not.toContain('the-private-token-1')
  })

  it('is reached by any name where it listens on every address, by its token', async () => {
    const privateToken = 'the-private-token-1'
    world = await createWorld({ config: { private: { host: '0.0.0.0', port: 1 }, privateToken } })
    const headers = { authorization: `Bearer ${privateToken}` }
    const url = 'http://issuer.internal:4001/admin/clients'
    expect((await world.privateApp.request(url)).status).toBe(401)
    expect((await world.privateApp.request(url, { headers })).status).toBe(200)
  })

  it('has nothing of the public listener', async () => {
    for (const path of ['/oauth/token', '/.well-known/jwks.json', '/readyz']) {
      expect((await ask(path)).status).toBe(404)
    }
  })
})
