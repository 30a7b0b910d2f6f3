import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { bucketAt } from '../src/buckets.ts'
import { freshWorld, JWKS_TYPE, newIsolate, newKey, origin, pass } from './support.ts'

const key = await newKey()
const next = await newKey()

let edge = newIsolate()
beforeEach(async () => {
  await freshWorld()
  await origin.publish([key], 1_000)
  edge = newIsolate()
})

/** Moves the clock to the start of a bucket, so that a test knows how far the next one is. */
function alignToBucket(): void {
  pass(2_000 - (Date.now() % 2_000))
}

async function statusOf(response: Promise<Response>): Promise<number> {
  return (await response).status
}

describe('the keys of an isolate', () => {
  it('cost the origin one fetch for 100 cold concurrent requests', async () => {
    const token = await key.token()
    const statuses = await Promise.all(
      Array.from({ length: 100 }, () => statusOf(edge.get('/api/x', token))),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await origin.fetches()).toBe(1)
  })

  it('cost the origin one fetch for ten cold isolates', async () => {
    const token = await key.token()
    const isolates = Array.from({ length: 10 }, () => newIsolate())
    const statuses = await Promise.all(
      isolates.map((isolate) => statusOf(isolate.get('/api/x', token))),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await origin.fetches()).toBe(1)
  })

  it('are read once per bucket, in the background, and waited for after two', async () => {
    alignToBucket()
    const token = await key.token()
    const asked: string[] = []
    const snapshots = {
      fetch: (request: Request) => {
        asked.push(new URL(request.url).search)
        return env.KEYS.fetch(request)
      },
    }
    edge = newIsolate({}, { snapshots })
    const bucket = bucketAt(Date.now(), 2_000)
    for (const ms of [0, 1_000, 999, 1, 3_999]) {
      pass(ms)
      expect(await statusOf(edge.get('/api/x', token))).toBe(200)
      // Lets a read in the background end, whose time stands still.
      await scheduler.wait(20)
    }
    expect(asked).toEqual([`?b=${bucket}`, `?b=${bucket + 1}`, `?b=${bucket + 2}`])
  })

  it('serve on through a partition for 20 minutes where that is wanted, else for 5 seconds', async () => {
    alignToBucket()
    let cut = false
    const snapshots = {
      fetch: async (request: Request) => {
        if (cut) throw new Error('partition')
        return await env.KEYS.fetch(request)
      },
    }
    const serve = newIsolate({ onPartition: 'serve' }, { snapshots })
    const refuse = newIsolate({ onPartition: 'refuse' }, { snapshots })
    const claims = { exp: Math.floor(Date.now() / 1000) + 3_600 }
    const token = await key.token(claims)
    for (const isolate of [serve, refuse]) {
      expect(await statusOf(isolate.get('/api/x', token))).toBe(200)
    }
    cut = true
    pass(4_999)
    expect(await statusOf(refuse.get('/api/x', token))).toBe(200)
    pass(1_001)
    const refused = await refuse.get('/api/x', token)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toEqual({ error: 'temporarily_unavailable' })
    pass(1_200_000 - 6_001)
    expect(await statusOf(serve.get('/api/x', token))).toBe(200)
    pass(1)
    expect(await statusOf(serve.get('/api/x', token))).toBe(503)
    expect(serve.lines).toContainEqual({
      event: 'snapshot_read_failed',
      reason: 'hub_unreachable',
      cause: 'routine',
    })
  })

  it('find a key whose ping was lost, with 503 at most until then and never 401', async () => {
    await edge.get('/api/x', await key.token())
    await origin.publish([key, next], 2_000)
    const token = await next.token()
    const statuses: number[] = []
    for (let turn = 0; turn < 12 && statuses.at(-1) !== 200; turn++) {
      statuses.push(await statusOf(edge.get('/api/x', token)))
      pass(500)
    }
    expect(statuses.at(-1)).toBe(200)
    expect(new Set(statuses.slice(0, -1))).not.toContain(401)
  })

  it('attack 68: find it within 6 seconds although invented kids came just before', async () => {
    await edge.get('/api/x', await key.token())
    expect(await statusOf(edge.get('/api/x', await (await newKey()).token()))).toBe(503)
    await origin.publish([key, next], 2_000)
    const token = await next.token()
    pass(1_000)
    expect(await statusOf(edge.get('/api/x', token))).toBe(503)
    pass(4_000)
    expect(await statusOf(edge.get('/api/x', token))).toBe(200)
  })

  it('attack 65: a flood of invented kids costs one fetch per 5 s, and good tokens go on', async () => {
    const good = await key.token()
    await edge.get('/api/x', good)
    const inventors = await Promise.all(Array.from({ length: 20 }, newKey))
    for (let second = 0; second < 10; second++) {
      const invented = await Promise.all(
        inventors.map(async (other) => statusOf(edge.get('/api/x', await other.token()))),
      )
      for (const status of invented) expect([401, 503]).toContain(status)
      expect(await statusOf(edge.get('/api/x', good))).toBe(200)
      pass(1_000)
    }
    // The cold one, and one each at 0 and 5 s.
    expect(await origin.fetches()).toBeLessThanOrEqual(3)
  })

  it('an invented kid is refused without a fetch where the set is later than the token', async () => {
    await edge.get('/api/x', await key.token())
    const iat = Math.floor(Date.now() / 1000) - 60
    expect(await statusOf(edge.get('/api/x', await next.token({ iat })))).toBe(401)
    expect(await origin.fetches()).toBe(1)
  })
})

describe('GET /.well-known/jwks.json', () => {
  it('serves the snapshot to third parties, with a validator and the configured age', async () => {
    await origin.publish([key, next], 1_000, { revoked: ['gone'] })
    const response = await edge.get('/.well-known/jwks.json')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(JWKS_TYPE)
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    expect(await response.json()).toEqual({
      keys: [key.jwk, next.jwk],
      revision: 1_000,
      revoked: ['gone'],
    })
    const etag = response.headers.get('etag') ?? ''
    const again = await edge.request('/.well-known/jwks.json', {
      headers: { 'if-none-match': etag },
    })
    expect(again.status).toBe(304)
    expect(again.headers.get('cache-control')).toBe('public, max-age=300')
    expect(await origin.fetches()).toBe(1)
  })

  it('leaves out revoked keys and members that are nobody else’s business', async () => {
    await origin.answer({
      headers: { 'content-type': JWKS_TYPE },
      body: JSON.stringify({
        keys: [{ ...key.jwk, internal: 'note' }, next.jwk],
        revision: 1_000,
        revoked: [next.kid],
      }),
    })
    const body = await (await edge.get('/.well-known/jwks.json')).json()
    expect(body).toEqual({ keys: [key.jwk], revision: 1_000, revoked: [next.kid] })
  })

  it('answers 503 that nobody caches while there are no keys', async () => {
    await origin.answer({ status: 500 })
    const response = await edge.get('/.well-known/jwks.json')
    expect(response.status).toBe(503)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('retry-after')).toBe('1')
  })
})

describe('the snapshot', () => {
  const ask = (query: string, path = '/snapshot') =>
    env.KEYS.fetch(`https://keys.internal${path}?${query}`)

  it('is cacheable for the bucket that it was asked for', async () => {
    const response = await ask(`b=${bucketAt(Date.now(), 2_000)}`)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('public, max-age=4')
    expect(await response.json()).toMatchObject({ jwks: { revision: 1_000 }, epoch: 0 })
  })

  it('attack 77: refuses buckets of the future, and what is no bucket, uncached', async () => {
    const now = bucketAt(Date.now(), 2_000)
    const forced = bucketAt(Date.now(), 1_000)
    const refused = [`b=${now + 3}`, 'b=', 'b=x', 'b=-1', '', `b=${now}&f=${forced + 3}`]
    for (const query of refused) {
      const response = await ask(query)
      expect(response.status, query).toBe(400)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
    expect(await origin.fetches()).toBe(0)
    for (const query of [`b=${now - 1_000}`, `b=${now + 1}`]) {
      expect((await ask(query)).status, query).toBe(200)
    }
  })

  it('errors are never cached', async () => {
    await origin.answer({ status: 500 })
    const now = bucketAt(Date.now(), 2_000)
    const response = await ask(`b=${now}`)
    expect(response.status).toBe(503)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({ error: 'status' })
    expect((await ask(`b=${now}`, '/elsewhere')).status).toBe(404)
  })
})
