import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Storage } from '../src/storage/storage.ts'
import { decodeJwt, decodeProtectedHeader } from './jwt.ts'
import {
  addClient,
  basic,
  createWorld,
  ISSUER,
  requestToken,
  SECRET,
  T0,
  type World,
} from './world.ts'

let world: World
const ask = (form: Record<string, string> | string, headers?: Record<string, string>) =>
  requestToken(world.app, form, headers)
const grant = { grant_type: 'client_credentials' }
const post = { ...grant, client_id: 'orders', client_secret: SECRET }

beforeEach(async () => {
  world = await createWorld()
  await addClient(world.storage)
})
afterEach(() => world.storage.close())

/** A refusal as the wire shows it; it also proves that nothing was issued. */
async function refused(response: Response, status: number, error: string) {
  expect(response.status).toBe(status)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('pragma')).toBe('no-cache')
  const body = (await response.json()) as Record<string, unknown>
  expect(body.error).toBe(error)
  expect(
    Object.keys(body).filter((name) => !['error', 'error_description'].includes(name)),
  ).toEqual([])
  expect(world.lines.filter((line) => line.includes('token issued'))).toEqual([])
  return response
}

async function tokenOf(response: Response) {
  expect(response.status).toBe(200)
  const body = (await response.json()) as { access_token: string; scope?: string }
  return { body, claims: decodeJwt(body.access_token), token: body.access_token }
}

describe('a token of client_credentials', () => {
  it('is an EdDSA at+jwt of the current key, with the claims of RFC 9068', async () => {
    const response = await ask(grant, { authorization: basic('orders') })
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('pragma')).toBe('no-cache')
    const { body, claims, token } = await tokenOf(response)
    expect(decodeProtectedHeader(token)).toEqual({
      alg: 'EdDSA',
      kid: world.keyring.current.kid,
      typ: 'at+jwt',
    })
    expect(claims).toEqual({
      iss: ISSUER,
      sub: 'client:orders',
      aud: 'https://api.example',
      exp: T0 + 600,
      iat: T0,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      client_id: 'orders',
      scope: 'orders.read orders.write',
    })
    expect(body).toEqual({
      access_token: token,
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'orders.read orders.write',
    })
  })

  it('attack 46: comes without a refresh token', async () => {
    expect((await tokenOf(await ask(post))).body).not.toHaveProperty('refresh_token')
  })

  it('has another jti each time', async () => {
    const [a, b] = [await tokenOf(await ask(post)), await tokenOf(await ask(post))]
    expect(a.claims.jti).not.toBe(b.claims.jti)
  })

  it('lives as long as the policy says', async () => {
    const short = await createWorld({ policy: { accessTokenTtl: 120 } })
    await addClient(short.storage)
    const { body, claims } = await tokenOf(await requestToken(short.app, post))
    expect(body).toMatchObject({ expires_in: 120 })
    expect(claims.exp).toBe(T0 + 120)
    await short.storage.close()
  })

  it('has exactly the scopes that were asked for, each once', async () => {
    const { body, claims } = await tokenOf(await ask({ ...post, scope: 'orders.read orders.read' }))
    expect(claims.scope).toBe('orders.read')
    expect(body.scope).toBe('orders.read')
  })

  it('has no scope claim where none is registered', async () => {
    await addClient(world.storage, { clientId: 'bare', scopes: [] })
    const { body, claims } = await tokenOf(await ask({ ...post, client_id: 'bare' }))
    expect(claims).not.toHaveProperty('scope')
    expect(body).not.toHaveProperty('scope')
  })

  it.each(['orders.admin', 'orders.read orders.admin', 'ORDERS.READ', 'orders'])(
    'is refused for the scope %s, which is not registered',
    async (scope) => {
      await refused(await ask({ ...post, scope }), 400, 'invalid_scope')
    },
  )

  it.each([
    ' orders.read',
    'orders.read ',
    'orders.read  orders.write',
    'a"b',
    'a\\b',
    'ä',
    'a\tb',
  ])('is refused for the malformed scope %j', async (scope) => {
    await refused(await ask({ ...post, scope }), 400, 'invalid_scope')
  })

  it('names all registered audiences where none is asked for, and else those asked for', async () => {
    const audiences = ['https://a.example', 'https://b.example', 'https://c.example']
    await addClient(world.storage, { clientId: 'many', audiences })
    const many = new URLSearchParams({ ...post, client_id: 'many' }).toString()
    const aud = async (rest: string) => (await tokenOf(await ask(many + rest))).claims.aud
    expect(await aud('')).toEqual(audiences)
    expect(await aud('&audience=https://b.example')).toBe('https://b.example')
    expect(await aud('&resource=https://b.example&resource=https://c.example')).toEqual([
      'https://b.example',
      'https://c.example',
    ])
    expect(await aud('&resource=https://b.example&audience=https://b.example')).toBe(
      'https://b.example',
    )
  })

  it.each([
    'audience=https://other.example',
    'resource=https://other.example',
    'audience=https://api.example&resource=https://other.example',
    'audience=https://api.example/',
  ])('is refused for %s, which is not registered', async (target) => {
    const form = `${new URLSearchParams(post)}&${target}`
    await refused(await ask(form), 400, 'invalid_target')
  })
})

describe('the body of a token request', () => {
  it.each([
    ['application/json', JSON.stringify(post)],
    ['text/plain', new URLSearchParams(post).toString()],
    ['multipart/form-data; boundary=x', ''],
    ['application/x-www-form-urlencodedx', new URLSearchParams(post).toString()],
  ])('is refused as %s', async (type, body) => {
    await refused(await ask(body, { 'content-type': type }), 400, 'invalid_request')
  })

  it('may name its charset', async () => {
    const type = 'application/x-www-form-urlencoded; charset=UTF-8'
    await tokenOf(await ask(post, { 'content-type': type }))
  })

  it.each(['grant_type', 'client_id', 'client_secret', 'scope', 'unknown'])(
    'is refused where %s is repeated, with the same value too',
    async (name) => {
      const form = `${new URLSearchParams({ scope: 'orders.read', unknown: 'x', ...post })}`
      const value = new URLSearchParams(form).get(name) ?? ''
      const repeated = `${form}&${new URLSearchParams({ [name]: value })}`
      await refused(await ask(repeated), 400, 'invalid_request')
      await refused(await ask(`${form}&${name}=`), 400, 'invalid_request')
    },
  )

  it('is refused over 16 KiB, whether or not its length was announced', async () => {
    const form = { ...post, padding: 'x'.repeat(16 * 1024) }
    const length = String(new URLSearchParams(form).toString().length)
    await refused(await ask(form, { 'content-length': length }), 413, 'invalid_request')
    await refused(await ask(form), 413, 'invalid_request')
    const body = new Blob([new URLSearchParams(form).toString()]).stream()
    const streamed = new Request(`${ISSUER}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
      duplex: 'half',
    })
    await refused(await world.app.request(streamed), 413, 'invalid_request')
  })

  it('is taken with exactly 16 KiB', async () => {
    const bare = new URLSearchParams(post).toString()
    const form = `${bare}&padding=${'x'.repeat(16 * 1024 - bare.length - '&padding='.length)}`
    await tokenOf(await ask(form, { 'content-length': String(form.length) }))
    await tokenOf(await ask(form))
  })

  it('counts unknown parameters as absent, and empty ones as omitted', async () => {
    await tokenOf(await ask({ ...post, scope: '', audience: '', something: 'else' }))
  })

  it('is never read from the query', async () => {
    const query = new URLSearchParams(post).toString()
    const response = await world.app.request(`/oauth/token?${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: '',
    })
    await refused(response, 400, 'invalid_request')
  })
})

describe('the grant type', () => {
  it.each([{}, { grant_type: '' }])('is required: %j', async (form) => {
    await refused(
      await ask({ ...form, client_id: 'orders', client_secret: SECRET }),
      400,
      'invalid_request',
    )
  })

  it.each(['password', 'authorization_code', 'Client_Credentials', 'constructor', '__proto__'])(
    'is not %s',
    async (grant_type) => {
      await refused(await ask({ ...post, grant_type }), 400, 'unsupported_grant_type')
    },
  )

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    'attack 47: does not come by %s',
    async (method) => {
      const response = await world.app.request('/oauth/token?grant_type=client_credentials', {
        method,
      })
      await refused(response, 400, 'invalid_request')
      expect(response.headers.get('allow')).toBe('POST')
    },
  )
})

describe('the subject of a machine', () => {
  it('attack 41: is never that of a user, whatever the client is called', async () => {
    for (const clientId of ['alice', 'user:alice', 'client:alice']) {
      await addClient(world.storage, { clientId }, 'a secret')
      const response = await ask(grant, { authorization: basic(clientId, 'a secret') })
      expect((await tokenOf(response)).claims.sub).toBe(`client:${clientId}`)
    }
  })
})

describe('client authentication', () => {
  it.each(['with space', 'per%cent', 'plus+sign', 'col:on', 'ünïcode✓', 'amp&eq=', "c' OR 1=1 --"])(
    'attack 48: takes the id and secret %s by Basic and by the body',
    async (odd) => {
      const secret = `${odd}:secret %+`
      await addClient(world.storage, { clientId: odd }, secret)
      const byBasic = await ask(grant, { authorization: basic(odd, secret) })
      expect((await tokenOf(byBasic)).claims.sub).toBe(`client:${odd}`)
      const byBody = await ask({ ...grant, client_id: odd, client_secret: secret })
      expect((await tokenOf(byBody)).claims.client_id).toBe(odd)
    },
  )

  it('takes the scheme in any case', async () => {
    await tokenOf(await ask(grant, { authorization: basic('orders').replace('Basic', 'bAsIc') }))
  })

  it('takes a client_id in the body beside Basic where it is the same one', async () => {
    const authorization = basic('orders')
    await tokenOf(await ask({ ...grant, client_id: 'orders' }, { authorization }))
    world.lines.length = 0
    await refused(
      await ask({ ...grant, client_id: 'other' }, { authorization }),
      400,
      'invalid_request',
    )
  })

  it('attack 47: is never done by two methods at once', async () => {
    const authorization = basic('orders')
    await refused(await ask(post, { authorization }), 400, 'invalid_request')
    await refused(await ask({ ...post, client_assertion: 'x' }), 400, 'invalid_request')
    await refused(
      await ask({ ...grant, client_assertion: 'x' }, { authorization }),
      400,
      'invalid_request',
    )
  })

  it.each([
    ['an unknown client', () => basic('nobody')],
    ['a wrong secret', () => basic('orders', 'wrong')],
    ['the digest of the secret', () => basic('orders', '0'.repeat(64))],
    ['an empty secret', () => `Basic ${btoa('orders:')}`],
    ['an empty id', () => `Basic ${btoa(`:${SECRET}`)}`],
    ['no colon', () => `Basic ${btoa('orders')}`],
    ['a broken percent sequence', () => `Basic ${btoa('orders:%zz')}`],
    ['bytes that are not UTF-8', () => 'Basic /zr/'],
    ['no base64', () => 'Basic ***'],
    ['nothing after the scheme', () => 'Basic'],
    ['another scheme', () => 'Bearer abc'],
  ])('refuses %s by Basic, and all look the same', async (_, authorization) => {
    const response = await ask(grant, { authorization: authorization() })
    await refused(response.clone(), 401, 'invalid_client')
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect(await response.json()).toEqual({
      error: 'invalid_client',
      error_description: 'client authentication failed',
    })
  })

  it.each([
    { client_id: 'nobody', client_secret: SECRET },
    { client_id: 'orders', client_secret: 'wrong' },
    { client_id: 'orders', client_secret: '' },
    { client_id: 'orders' },
    { client_secret: SECRET },
    { client_assertion_type: 'urn:x', client_assertion: 'x' },
    {},
  ])('refuses %j in the body, without a challenge', async (credentials) => {
    const response = await ask({ ...grant, ...credentials })
    await refused(response, 401, 'invalid_client')
    expect(response.headers.get('www-authenticate')).toBeNull()
  })

  it('refuses a disabled client like an unknown one, from its next request on', async () => {
    await tokenOf(await ask(post))
    world.lines.length = 0
    await world.storage.clients.disable('orders', T0)
    await refused(await ask(post), 401, 'invalid_client')
    expect(world.lines.join()).toContain('client_disabled')
  })

  it('attack 48: does the same work for an unknown client as for a wrong secret', async () => {
    const time = async (authorization: string) => {
      const startedAt = performance.now()
      for (let round = 0; round < 200; round++) await ask(grant, { authorization })
      return performance.now() - startedAt
    }
    await time(basic('nobody', 'wrong'))
    await time(basic('orders', 'wrong'))
    const ratios: number[] = []
    for (let sample = 0; sample < 5; sample++) {
      ratios.push((await time(basic('nobody', 'wrong'))) / (await time(basic('orders', 'wrong'))))
    }
    const median = ratios.sort((a, b) => a - b)[2] ?? 0
    expect(median).toBeGreaterThan(0.5)
    expect(median).toBeLessThan(2)
  })

  it('answers 503 and loses nothing where the storage is gone', async () => {
    const gone = (): never => {
      throw new Error('disk I/O error')
    }
    const clients = { ...world.storage.clients, find: async () => gone() }
    const broken: Storage = { ...world.storage, clients, close: async () => undefined }
    const other = await createWorld({ storage: broken })
    const response = await requestToken(other.app, post)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toEqual({ error: 'temporarily_unavailable' })
    expect(other.lines.join()).toContain('storage_unavailable')
  })
})

describe('what is left behind', () => {
  it('counts tokens and refusals by their words', async () => {
    await ask(post)
    await ask({ ...post, client_secret: 'wrong' })
    await ask({ ...post, scope: 'no' })
    const text = await world.metrics.registry.metrics()
    expect(text).toContain('keyturn_tokens_issued_total{grant="client_credentials"} 1')
    expect(text).toContain('keyturn_token_refusals_total{error="invalid_client"} 1')
    expect(text).toContain('keyturn_token_refusals_total{error="invalid_scope"} 1')
    expect(text).toMatch(
      /keyturn_http_request_duration_seconds_count\{method="POST",route="\/oauth\/token",status="200"\} 1/,
    )
  })

  it('is a log with reasons, and without any secret, token or header', async () => {
    const authorization = basic('orders')
    const { token } = await tokenOf(await ask(grant, { authorization }))
    await ask({ ...post, client_id: 'a-secret-typed-as-an-id' })
    await ask({ ...post, client_secret: 'wrong-secret-value' })
    await ask(post, { authorization })
    const text = world.lines.join('')
    expect(text).toContain('"reason":"secret_wrong"')
    expect(text).toContain('"reason":"client_unknown"')
    expect(text).toContain('"reason":"credentials_twice"')
    const privateKeys = world.keyring.keys.map(({ privateJwk }) => String(privateJwk?.d))
    for (const secret of [
      SECRET,
      token,
      token.split('.')[2],
      authorization.slice(6),
      'wrong-secret-value',
      'a-secret-typed-as-an-id',
      String(world.pingKey.d),
      ...privateKeys,
    ]) {
      expect(secret).toBeTruthy()
      expect(text).not.toContain(secret)
    }
  })
})
