import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createTransport, type InfisicalError, type TransportOptions } from '../src/index.ts'
import { createFakeClock } from './fake-clock.ts'
import {
  answerHtml,
  answerJson,
  type FakeServer,
  type Handler,
  startFakeServer,
} from './fake-server.ts'

const LIST = { method: 'GET', path: '/api/v3/secrets/raw', token: 'the-token' } as const
const WRITE = {
  method: 'PATCH',
  path: '/api/v3/secrets/batch/raw',
  token: 'the-token',
  body: { secrets: [{ secretKey: 'a', secretValue: 'the-value' }] },
} as const
const LOGIN_PATH = '/api/v1/auth/universal-auth/login'
const LOGIN = {
  method: 'POST',
  path: LOGIN_PATH,
  token: 'stale-token',
  body: { clientId: 'id', clientSecret: 'the-client-secret' },
} as const

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function serve(handler: Handler): Promise<FakeServer> {
  const server = await startFakeServer(handler)
  cleanups.push(server.close)
  return server
}

async function connect(handler: Handler, options: Partial<TransportOptions> = {}) {
  const server = await serve(handler)
  return { server, transport: createTransport({ siteUrl: server.url, ...options }) }
}

const failure = (promise: Promise<unknown>): Promise<InfisicalError> =>
  promise.then(
    () => Promise.reject(new Error('expected a failure')),
    (error: InfisicalError) => error,
  )

describe('a request', () => {
  it('carries the bearer, the custom headers, the query and the JSON body', async () => {
    const { server, transport } = await connect(
      (_, response) => answerJson(response, 200, { ok: 1 }),
      {
        headers: { 'CF-Access-Client-Id': 'access-id' },
      },
    )
    const query = { environment: 'prod', recursive: true, version: undefined, tag: null }
    expect(await transport.request({ ...WRITE, query })).toEqual({ ok: 1 })
    const [seen] = server.requests
    expect(seen).toMatchObject({
      method: 'PATCH',
      url: `${WRITE.path}?environment=prod&recursive=true`,
    })
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer the-token',
      'cf-access-client-id': 'access-id',
      accept: 'application/json',
      'content-type': 'application/json',
    })
    expect(JSON.parse(seen?.body ?? '')).toEqual(WRITE.body)
  })

  it.each([
    LOGIN_PATH,
    '/api/v1/auth/oidc-auth/login',
    '/api/v1/auth/token/renew',
    '/api/v1/auth/token/revoke',
  ])('carries no bearer to %s, where a stale one makes it fail', async (path) => {
    const grant = { accessToken: 'new', expiresIn: 60 }
    const { server, transport } = await connect((_, response) => answerJson(response, 200, grant))
    await transport.request({ ...LOGIN, path })
    expect(server.requests[0]?.headers.authorization).toBeUndefined()
  })

  it('stays below the path prefix of the server', async () => {
    const server = await serve((_, response) => answerJson(response, 200, {}))
    const transport = createTransport({ siteUrl: `${server.url}/infisical/api/` })
    await transport.request(LIST)
    expect(server.requests[0]?.path).toBe('/infisical/api/v3/secrets/raw')
    expect(transport.siteUrl).toBe(`${server.url}/infisical`)
  })

  it.each(['//evil.example/api/v1', '@evil.example/api/', '/api/../admin', 'api/v1'])(
    'refuses the path %s before anything is sent',
    async (path) => {
      const { server, transport } = await connect((_, response) => answerJson(response, 200, {}))
      await expect(transport.request({ ...LIST, path })).rejects.toThrow(TypeError)
      expect(server.requests).toHaveLength(0)
    },
  )

  it('refuses a token that no header can carry, without showing it', async () => {
    const { transport } = await connect((_, response) => answerJson(response, 200, {}))
    const error = await failure(transport.request({ ...LIST, token: 'line\nbreak' }))
    expect(error.code).toBe('token_lost')
    expect(error.message).not.toContain('break')
  })

  it('may be answered with nothing', async () => {
    const { transport } = await connect((_, response) => response.writeHead(204).end())
    expect(await transport.request(LIST)).toBeUndefined()
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    '%i is not followed, so nothing reaches the other host',
    async (status) => {
      const canary = await serve((_, response) => answerJson(response, 200, {}))
      const { server, transport } = await connect(
        (_, response) => response.writeHead(status, { location: `${canary.url}/api` }).end(),
        { headers: { 'x-custom': 'custom-secret' } },
      )
      const error = await failure(transport.request(LOGIN))
      expect(error).toMatchObject({ code: 'redirected', status })
      expect(canary.requests).toHaveLength(0)
      expect(server.requests).toHaveLength(1)
    },
  )
})

describe('the deadline', () => {
  it('ends a server that never answers', async () => {
    const { transport } = await connect(() => {}, { deadlineMs: 100 })
    const startedMs = performance.now()
    const error = await failure(transport.request(LIST))
    expect(error).toMatchObject({
      code: 'timeout',
      details: { deadlineMs: 100, outcomeUnknown: false },
    })
    expect(performance.now() - startedMs).toBeLessThan(1000)
  })

  it('ends a body that does not come to its end', async () => {
    const { transport } = await connect(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{"secrets":[')
      },
      { deadlineMs: 100 },
    )
    expect((await failure(transport.request(LIST))).code).toBe('timeout')
  })

  it('ends a fetch that ignores its signal', async () => {
    const transport = createTransport({
      siteUrl: 'https://infisical.test',
      fetch: () => new Promise(() => {}),
      deadlineMs: 20,
    })
    expect((await failure(transport.request(LIST))).code).toBe('timeout')
  })

  it('says of a write that its outcome is unknown', async () => {
    const { transport } = await connect(() => {}, { deadlineMs: 50 })
    const error = await failure(transport.request(WRITE))
    expect(error).toMatchObject({ code: 'timeout', details: { outcomeUnknown: true } })
  })
})

describe('a second attempt', () => {
  const limited: Handler = (_, response, count) =>
    count === 1
      ? answerJson(response, 429, { statusCode: 429, message: 'slow' }, { 'retry-after': '2' })
      : answerJson(response, 200, { done: true })

  async function timed(handler: Handler, options: Partial<TransportOptions> = {}) {
    const clock = createFakeClock()
    const slept: number[] = []
    const sleeping = {
      nowMs: clock.nowMs,
      sleep: async (ms: number, signal?: AbortSignal) => {
        // The deadline itself never passes here: only the waits between attempts move the time.
        if (ms === 10_000)
          return await new Promise<void>((done) => signal?.addEventListener('abort', () => done()))
        slept.push(ms)
        clock.advance(ms)
      },
    }
    return { slept, ...(await connect(handler, { clock: sleeping, random: () => 1, ...options })) }
  }

  it.each([LIST, WRITE, LOGIN])(
    'follows 429 after the seconds asked for: $method $path',
    async (call) => {
      const grant = { accessToken: 'new', expiresIn: 60, done: true }
      const { slept, server, transport } = await timed((request, response, count) =>
        count === 1 ? limited(request, response, 1) : answerJson(response, 200, grant),
      )
      expect(await transport.request(call)).toMatchObject({ done: true })
      expect(server.requests).toHaveLength(2)
      expect(slept).toEqual([2200])
    },
  )

  it('does not wait when it would be past the deadline, and says when to come back', async () => {
    const { slept, transport } = await timed((_, response) =>
      answerJson(response, 429, { statusCode: 429, message: 'slow' }, { 'retry-after': '60' }),
    )
    expect(await failure(transport.request(LIST))).toMatchObject({
      code: 'rate_limited',
      retryAfter: 60,
    })
    expect(slept).toEqual([])
  })

  it('is followed by two others with growing waits, then by the error', async () => {
    const { slept, server, transport } = await timed((_, response) => response.writeHead(503).end())
    expect(await failure(transport.request(LIST))).toMatchObject({
      code: 'server_error',
      status: 503,
    })
    expect(server.requests).toHaveLength(4)
    expect(slept).toEqual([200, 400, 800])
  })

  it.each([502, 503, 504])(
    'never repeats a write after %i, as it may have been done',
    async (status) => {
      const { server, transport } = await timed((_, response) => response.writeHead(status).end())
      expect((await failure(transport.request(WRITE))).code).toBe('server_error')
      expect(server.requests).toHaveLength(1)
    },
  )

  it('does not follow 500, which this API answers to bad requests', async () => {
    const { server, transport } = await timed((_, response) =>
      answerJson(response, 500, { statusCode: 500 }),
    )
    await failure(transport.request(LIST))
    expect(server.requests).toHaveLength(1)
  })

  it('repeats a read whose connection was reset', async () => {
    const { server, transport } = await timed((_, response, count) =>
      count === 1 ? response.socket?.resetAndDestroy() : answerJson(response, 200, { done: true }),
    )
    expect(await transport.request(LIST)).toEqual({ done: true })
    expect(server.requests).toHaveLength(2)
  })

  it('never repeats a write whose connection was reset', async () => {
    const { server, transport } = await timed((_, response) => response.socket?.resetAndDestroy())
    const error = await failure(transport.request(WRITE))
    expect(error).toMatchObject({ code: 'unreachable', details: { outcomeUnknown: true } })
    expect(error.cause).toBeInstanceOf(Error)
    expect(server.requests).toHaveLength(1)
  })

  it('repeats a write whose connection was refused, as nothing was sent', async () => {
    const port = await freePort()
    const { slept, transport } = await timed(limited, { siteUrl: `http://127.0.0.1:${port}` })
    const error = await failure(transport.request(WRITE))
    const details = { systemCode: 'ECONNREFUSED', notSent: true, outcomeUnknown: false }
    expect(error).toMatchObject({ code: 'unreachable', details })
    expect(slept).toHaveLength(3)
  })
})

describe('an answer', () => {
  it('of 9 MiB is refused, and the connection with it', async () => {
    const closed = Promise.withResolvers<void>()
    const { transport } = await connect((_, response) => {
      response.socket?.once('close', () => closed.resolve())
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ filler: 'x'.repeat(9 * 1024 * 1024) }))
    })
    const error = await failure(transport.request(LIST))
    const limitBytes = 8 * 1024 * 1024
    expect(error).toMatchObject({ code: 'unexpected_answer', details: { limitBytes } })
    await closed.promise
  })

  it('of 7 MiB is read', async () => {
    const filler = 'x'.repeat(7 * 1024 * 1024)
    const { transport } = await connect((_, response) => answerJson(response, 200, { filler }))
    expect(await transport.request(LIST)).toEqual({ filler })
  })

  it('in HTML with status 200 is no login', async () => {
    const { transport } = await connect((_, response) =>
      answerHtml(response, 200, '<html>hello</html>'),
    )
    expect((await failure(transport.request(LOGIN))).code).toBe('not_json')
  })
})

describe('an error', () => {
  it('never shows what the call carried, even when the server repeats it', async () => {
    const { transport } = await connect(
      (request, response) => {
        const message = `${request.body} ${request.headers.authorization} ${request.headers['x-key']}`
        answerJson(response, 400, { statusCode: 400, message })
      },
      { headers: { 'x-key': 'custom-secret' } },
    )
    for (const call of [LOGIN, WRITE]) {
      const error = await failure(transport.request(call))
      const shown = `${error.message} ${JSON.stringify(error)} ${error.stack}`
      for (const secret of ['the-client-secret', 'the-value', 'the-token', 'custom-secret']) {
        expect(shown).not.toContain(secret)
      }
    }
  })
})

describe('the options', () => {
  it.each([
    'ftp://infisical.test',
    'infisical.test',
    'https://user:pass@infisical.test',
    'https://infisical.test?x=1',
  ])('refuse the site URL %s', (siteUrl) => {
    expect(() => createTransport({ siteUrl })).toThrow(
      expect.objectContaining({ code: 'invalid_config' }),
    )
  })

  it.each([
    { Authorization: 'Basic x' },
    { host: 'other' },
    { 'bad name': 'x' },
    { ok: 'line\nbreak' },
  ])('refuse the headers %o', (headers) => {
    const make = () => createTransport({ siteUrl: 'https://infisical.test', headers })
    expect(make).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
