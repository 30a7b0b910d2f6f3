import { createHmac } from 'node:crypto'
import { jwksDigest, type Ping, parseAcknowledgement, systemClock } from '@keyturn/auth-core'
import { createPingSigner, publishJwks } from '@keyturn/auth-core/signing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, ISSUER, makePingKey, T0, WEBHOOK_SECRET, type World } from './world.ts'

let world: World

beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.storage.close())

/** A new revision appears in the store. */
function storeMoves(by = 1000) {
  const keyring = { ...world.keyring, revision: world.keyring.revision + by }
  world.reader.answer = async () => ({ ...world.read, keyring })
  return keyring
}

describe('POST /hooks/infisical', () => {
  function delivery({
    event = 'secrets.modified',
    timestamp = T0 * 1000,
    secret = WEBHOOK_SECRET,
  } = {}) {
    const project = { workspaceId: 'p', environment: 'prod', secretPath: '/auth/jwt' }
    const body = JSON.stringify({ event, project, timestamp })
    const signature = createHmac('sha256', secret).update(body).digest('hex')
    return { body, header: `t=${timestamp};${signature}` }
  }

  function deliver({ body, header }: { body: string; header?: string }) {
    const headers = {
      'content-type': 'application/json',
      ...(header !== undefined && { 'x-infisical-signature': header }),
    }
    return world.app.request('/hooks/infisical', { method: 'POST', headers, body })
  }

  it('loads a new revision before it answers', async () => {
    const { revision } = storeMoves()
    const response = await deliver(delivery())
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ outcome: 'changed' })
    expect(world.holder.held()?.keyring.revision).toBe(revision)
  })

  it('reads once for deliveries that arrive within a few milliseconds', async () => {
    const reads = world.reader.reads
    const deliveries = Array.from({ length: 10 }, async (_, index) => {
      await systemClock.sleep(index * 2)
      return await deliver(delivery({ timestamp: T0 * 1000 + index }))
    })
    for (const response of await Promise.all(deliveries)) expect(response.status).toBe(200)
    expect(world.reader.reads).toBe(reads + 1)
  })

  it('reads nothing for a replayed delivery, and answers it as received', async () => {
    const again = delivery()
    await deliver(again)
    const reads = world.reader.reads
    const response = await deliver(again)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ outcome: 'replayed' })
    expect(world.reader.reads).toBe(reads)
  })

  it('wants a delivery again when the read failed, and then reads', async () => {
    world.reader.answer = async () => {
      throw new Error('the store is down')
    }
    const repeated = delivery()
    const failed = await deliver(repeated)
    expect(failed.status).toBe(503)
    expect(failed.headers.get('retry-after')).toBe('5')
    const { revision } = storeMoves()
    expect((await deliver(repeated)).status).toBe(200)
    expect(world.holder.held()?.keyring.revision).toBe(revision)
  })

  it('answers a test event without a read', async () => {
    const reads = world.reader.reads
    const response = await deliver(delivery({ event: 'test' }))
    expect(response.status).toBe(200)
    expect(world.reader.reads).toBe(reads)
  })

  it.each([
    ['a wrong secret', () => delivery({ secret: 'another-secret-of-32-characters!!' })],
    ['no signature', () => ({ body: delivery().body })],
    ['an altered body', () => ({ ...delivery(), body: `${delivery().body} ` })],
    ['an altered time', () => ({ ...delivery(), header: delivery().header.replace('t=1', 't=2') })],
    ['an old time', () => delivery({ timestamp: (T0 - 301) * 1000 })],
    ['a body that is no JSON', () => ({ body: '{', header: delivery().header })],
  ])('refuses %s and reads nothing', async (_, bad) => {
    const reads = world.reader.reads
    const response = await deliver(bad())
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({ error: 'invalid_signature' })
    expect(world.reader.reads).toBe(reads)
  })

  it('refuses everything where no webhook secret is in the store', async () => {
    const propagation = { edges: [], webhookSecrets: [] }
    world.reader.answer = async () => ({ ...world.read, propagation })
    await world.reloader.reload('poll')
    expect((await deliver(delivery({ secret: '' }))).status).toBe(401)
    expect((await deliver(delivery())).status).toBe(401)
  })

  it('refuses a body over 16 KiB', async () => {
    expect((await deliver({ body: 'x'.repeat(16 * 1024 + 1) })).status).toBe(413)
  })

  it('counts deliveries by outcome and logs no secret', async () => {
    await deliver(delivery())
    await deliver(delivery())
    await deliver({ body: delivery().body })
    const text = await world.metrics.registry.metrics()
    for (const outcome of ['reloaded', 'replayed', 'refused']) {
      expect(text).toContain(`keyturn_webhook_deliveries_total{outcome="${outcome}"} 1`)
    }
    expect(world.lines.join()).not.toContain(WEBHOOK_SECRET)
  })
})

describe('POST /hooks/rotation', () => {
  async function changed(revision: number): Promise<Ping> {
    const jwks_sha256 = await jwksDigest(publishJwks(world.keyring))
    return { type: 'keys.changed', data: { issuer: ISSUER, revision, jwks_sha256 } }
  }

  async function signed(ping: Ping, { key = world.pingKey, now = T0 } = {}) {
    return await (await createPingSigner(key)).sign(ping, now)
  }

  function send({ headers, body }: { headers: Record<string, string>; body: string }) {
    return world.app.request('/hooks/rotation', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
  }

  it('reloads and acknowledges what it then holds', async () => {
    const { revision } = storeMoves()
    const response = await send(await signed(await changed(revision)))
    expect(response.status).toBe(200)
    expect(parseAcknowledgement(await response.json())).toEqual({
      revision,
      jwks_sha256: world.holder.held()?.digest,
      kids: world.keyring.keys.map(({ kid }) => kid),
      revoked: [],
      age: 0,
    })
  })

  it('says for how long it has held the keys', async () => {
    world.clock.set(T0 + 7)
    const ping = await signed(await changed(world.keyring.revision), { now: T0 + 7 })
    expect(await (await send(ping)).json()).toMatchObject({ age: 7 })
  })

  it('reads nothing for a state that it holds already', async () => {
    const reads = world.reader.reads
    expect((await send(await signed(await changed(world.keyring.revision)))).status).toBe(200)
    expect(world.reader.reads).toBe(reads)
  })

  it('acknowledges the old state where the store cannot be read', async () => {
    world.reader.answer = async () => {
      throw new Error('the store is down')
    }
    const response = await send(await signed(await changed(world.keyring.revision + 1000)))
    expect(await response.json()).toMatchObject({ revision: world.keyring.revision })
  })

  it('counts a ping once, also when it arrives many times at once', async () => {
    const { revision } = storeMoves()
    const ping = await signed(await changed(revision))
    const responses = await Promise.all(Array.from({ length: 20 }, () => send(ping)))
    const statuses = responses.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(19)
    expect(await responses.find(({ status }) => status === 409)?.json()).toEqual({
      error: 'replayed_ping',
    })
    expect(world.reader.reads).toBe(2)
  })

  it.each([
    ['of another key', async (ping: Ping) => signed(ping, { key: await makePingKey() })],
    ['from the past', (ping: Ping) => signed(ping, { now: T0 - 301 })],
    ['from the future', (ping: Ping) => signed(ping, { now: T0 + 301 })],
    [
      'of another issuer',
      (ping: Ping) =>
        signed({ ...ping, data: { ...ping.data, issuer: 'https://other.example' } } as Ping),
    ],
    [
      'with an altered body',
      async (ping: Ping) => {
        const { headers, body } = await signed(ping)
        return { headers, body: body.replace('keys.changed', 'revision.reset') }
      },
    ],
    [
      'with another id',
      async (ping: Ping) => {
        const { headers, body } = await signed(ping)
        return { headers: { ...headers, 'webhook-id': 'msg_other' }, body }
      },
    ],
    ['without headers', async (ping: Ping) => ({ headers: {}, body: (await signed(ping)).body })],
  ])('refuses a ping %s and reads nothing', async (_, make) => {
    const { revision } = storeMoves()
    const response = await send(await make(await changed(revision)))
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({ error: 'invalid_ping' })
    expect(world.reader.reads).toBe(1)
  })

  it('does not let a forged ping use up the id of the true one', async () => {
    const { headers, body } = await signed(await changed(world.keyring.revision))
    const forged = { headers: { ...headers, 'webhook-signature': 'v1a,AAAA' }, body }
    expect((await send(forged)).status).toBe(401)
    expect((await send({ headers, body })).status).toBe(200)
  })

  it('stops signing with a key at once when its revocation is announced', async () => {
    const { kid } = world.keyring.current
    const data = { issuer: ISSUER, revision: world.keyring.revision, kids: [kid, 'unknown-kid'] }
    const response = await send(await signed({ type: 'keys.revoked', data }))
    expect(await response.json()).toMatchObject({
      revoked: [kid],
      kids: [world.keyring.next.kid],
    })
    expect(world.holder.held()?.signer?.jwk.kid).toBe(world.keyring.next.kid)
  })

  it('goes back only to the revision that a signed reset names', async () => {
    const older = storeMoves(-5000)
    await send(await signed(await changed(older.revision)))
    expect(world.holder.held()?.keyring.revision).toBe(world.keyring.revision)
    const { data } = await changed(older.revision)
    const reset = { type: 'revision.reset', data } as Ping
    expect(await (await send(await signed(reset))).json()).toMatchObject({
      revision: older.revision,
    })
  })

  it('refuses a body over 16 KiB and says when no keyring is there', async () => {
    expect((await send({ headers: {}, body: 'x'.repeat(16 * 1024 + 1) })).status).toBe(413)
    world = await createWorld({ loaded: false })
    const response = await send(await signed(await changed(1)))
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toEqual({ error: 'keys_unavailable' })
  })
})
