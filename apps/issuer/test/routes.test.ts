import { defineExpected, importKeySet, parseJwks, verifyToken } from '@keyturn/auth-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addClient, createWorld, ISSUER, requestToken, SECRET, T0, type World } from './world.ts'

let world: World
const get = (path: string, headers: Record<string, string> = {}) =>
  world.app.request(path, { headers })

beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.storage.close())

describe('GET /.well-known/jwks.json', () => {
  const path = '/.well-known/jwks.json'

  it('is a JWK set that caches may keep for M, with revision and revoked kids', async () => {
    const response = await get(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/jwk-set+json')
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    const body = await response.json()
    expect(body).toMatchObject({ revision: world.keyring.revision, revoked: [] })
    expect(
      parseJwks(body)
        .keys.map(({ kid }) => kid)
        .sort(),
    ).toEqual(world.keyring.keys.map(({ kid }) => kid).sort())
  })

  it('holds the key under which the tokens verify', async () => {
    await addClient(world.storage)
    const form = { grant_type: 'client_credentials', client_id: 'orders', client_secret: SECRET }
    const { access_token } = (await (await requestToken(world.app, form)).json()) as {
      access_token: string
    }
    const keySet = await importKeySet(parseJwks(await (await get(path)).json()))
    const { claims } = await verifyToken(access_token, {
      resolveKey: (kid) => {
        const key = keySet.keys.get(kid)
        if (!key) throw new Error('the signing key is published')
        return key
      },
      expected: defineExpected({
        issuer: ISSUER,
        audience: 'https://api.example',
        scope: 'orders.read',
      }),
      now: T0,
    })
    expect(claims.sub).toBe('client:orders')
  })

  it('answers 304 to a reader that has it, and 200 to one that has not', async () => {
    const etag = (await get(path)).headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]{43}"$/)
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await get(path, { 'if-none-match': known })
      expect(response.status).toBe(304)
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('cache-control')).toBe('public, max-age=300')
      expect(await response.text()).toBe('')
    }
    expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200)
  })

  it('has another ETag when the keyring changes', async () => {
    const before = (await get(path)).headers.get('etag')
    world.reader.answer = async () => ({
      ...world.read,
      keyring: { ...world.keyring, revision: world.keyring.revision + 1 },
    })
    await world.reloader.reload('poll')
    expect((await get(path, { 'if-none-match': String(before) })).status).toBe(200)
  })

  it('answers HEAD without a body and refuses other methods', async () => {
    const head = await world.app.request(path, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
    const post = await world.app.request(path, { method: 'POST' })
    expect(post.status).toBe(405)
    expect(post.headers.get('allow')).toBe('GET, HEAD')
  })

  it('is unavailable, uncached, before a keyring is loaded', async () => {
    const empty = await createWorld({ loaded: false })
    const response = await empty.app.request(path)
    expect(response.status).toBe(503)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('retry-after')).toBe('1')
  })
})

describe('the metadata', () => {
  it.each(['oauth-authorization-server', 'openid-configuration'])(
    'at %s lists exactly what is there',
    async (name) => {
      const response = await get(`/.well-known/${name}`)
      expect(response.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await response.json()).toEqual({
        issuer: ISSUER,
        token_endpoint: `${ISSUER}/oauth/token`,
        jwks_uri: 'https://edge.example/.well-known/jwks.json',
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      })
    },
  )

  it('takes nothing from the Host header', async () => {
    const response = await get('/.well-known/openid-configuration', {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
    })
    expect(await response.text()).not.toContain('evil')
  })
})

describe('health', () => {
  it('is alive and ready', async () => {
    expect((await get('/healthz')).status).toBe(200)
    const ready = await get('/readyz')
    expect(ready.status).toBe(200)
    expect(ready.headers.get('cache-control')).toBe('no-store')
  })

  it('is alive and not ready without a current key', async () => {
    const at = T0
    const reason = 'lost'
    await world.holder.revoke(world.keyring.keys.map(({ kid }) => ({ kid, at, reason })))
    expect((await get('/healthz')).status).toBe(200)
    const ready = await get('/readyz')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({ status: 'not_ready', reasons: ['no_current_key'] })
  })

  it('is not ready where nothing can be written', async () => {
    const storage = { ...world.storage, check: async () => Promise.reject(new Error('read-only')) }
    const other = await createWorld({ storage })
    const ready = await other.app.request('/readyz')
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ reasons: ['storage_unavailable'] })
  })

  it('is not ready while it stops', async () => {
    world.stopping.now = true
    expect(await (await get('/readyz')).json()).toMatchObject({ reasons: ['stopping'] })
  })
})

describe('a token request in an emergency', () => {
  const form = { grant_type: 'client_credentials', client_id: 'orders', client_secret: SECRET }

  it('gets 503 without a current key, and leads to one reload', async () => {
    await addClient(world.storage)
    const at = T0
    await world.holder.revoke(world.keyring.keys.map(({ kid }) => ({ kid, at, reason: 'lost' })))
    const reads = world.reader.reads
    for (let round = 0; round < 5; round++) {
      const response = await requestToken(world.app, form)
      expect(response.status).toBe(503)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await response.json()).toEqual({ error: 'temporarily_unavailable' })
    }
    await expect.poll(() => world.reader.reads).toBe(reads + 1)
  })

  it('is signed by the next key once the current one is revoked', async () => {
    await addClient(world.storage)
    const { kid } = world.keyring.current
    await world.holder.revoke([{ kid, at: T0, reason: 'lost' }])
    const response = await requestToken(world.app, form)
    expect(response.status).toBe(200)
    const { access_token } = (await response.json()) as { access_token: string }
    const header = Buffer.from(access_token.split('.')[0] ?? '', 'base64url').toString()
    expect(JSON.parse(header).kid).toBe(world.keyring.next.kid)
  })
})

describe('everything else', () => {
  it('is 404 in JSON', async () => {
    for (const path of [
      '/',
      '/oauth/tokens',
      '/admin/clients',
      '/metrics',
      '/internal/security/health',
    ]) {
      const response = await get(path)
      expect(response.status).toBe(404)
      expect(await response.json()).toEqual({ error: 'not_found' })
    }
  })

  it('is measured without its path', async () => {
    await get('/some/random/path')
    const text = await world.metrics.registry.metrics()
    expect(text).toContain('route="unmatched",status="404"')
    expect(text).not.toContain('random')
  })
})
