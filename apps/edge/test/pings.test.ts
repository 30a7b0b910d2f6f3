import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { generateFreshKey } from '@keyturn/auth-core/signing'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  freshWorld,
  hubStub,
  ISSUER,
  keysAt,
  newIsolate,
  newKey,
  origin,
  pass,
  type TestKey,
} from './support.ts'

const key = await newKey()
const next = await newKey()

let edge = newIsolate()
beforeEach(async () => {
  await freshWorld()
  await origin.publish([key, next], 1_000)
  edge = newIsolate()
})

const health = async () => await hubStub().health()

const changed = async (keys: readonly TestKey[], revision: number) =>
  ({ type: 'keys.changed', data: await keysAt(keys, revision) }) as const
const revoked = (kids: readonly string[], revision: number) =>
  ({ type: 'keys.revoked', data: { issuer: ISSUER, revision, kids } }) as const
const reset = async (keys: readonly TestKey[], revision: number) =>
  ({ type: 'revision.reset', data: await keysAt(keys, revision) }) as const

/** Waits until the origin was asked this often. */
async function fetched(times: number): Promise<void> {
  while ((await origin.fetches()) < times) await scheduler.wait(10)
}

/** Lets time run out for a ping, once it has asked the origin for the `times`th time. */
async function outOfTime(answer: Promise<Response>, times: number): Promise<Response> {
  await fetched(times)
  pass(3_000)
  return await answer
}

/** What an isolate that has just come up says to a token of this key. */
async function verdict(of: TestKey): Promise<number> {
  return (await newIsolate().get('/api/x', await of.token())).status
}

describe('a ping that announces keys', () => {
  it('makes a new key usable at once, and is answered with an acknowledgement', async () => {
    await hubStub().snapshot({ force: false })
    const fresh = await newKey()
    await origin.publish([key, next, fresh], 2_000)
    const ping = await changed([key, next, fresh], 2_000)
    const response = await edge.ping(ping)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({
      revision: 2_000,
      jwks_sha256: ping.data.jwks_sha256,
      kids: [key.kid, next.kid, fresh.kid],
      revoked: [],
      age: 0,
    })
    expect(await verdict(fresh)).toBe(200)
    expect(await origin.fetches()).toBe(2)
  })

  it('costs no fetch where the revision is held already', async () => {
    await hubStub().snapshot({ force: false })
    pass(7_000)
    const response = await edge.ping(await changed([key, next], 1_000))
    expect(await response.json()).toMatchObject({ revision: 1_000, age: 7 })
    expect(await origin.fetches()).toBe(1)
  })

  it('never joins a fetch that began before it', async () => {
    await origin.publish([key], 1_000, { delayMs: 400 })
    const cold = hubStub().snapshot({ force: false })
    await fetched(1)
    await origin.publish([key, next], 2_000)
    const response = await edge.ping(await changed([key, next], 2_000))
    expect(await response.json()).toMatchObject({ revision: 2_000 })
    expect(await cold).toMatchObject({ ok: true })
  })

  it('tries again while the origin still serves the older revision', async () => {
    await hubStub().snapshot({ force: false })
    const answer = edge.ping(await changed([key], 2_000))
    await fetched(2)
    await origin.publish([key], 2_000)
    expect(await (await answer).json()).toMatchObject({ revision: 2_000, kids: [key.kid] })
  })

  it('says what is held where it was not reached, and reads again soon', async () => {
    await hubStub().snapshot({ force: false })
    const response = await outOfTime(edge.ping(await changed([key], 2_000)), 2)
    expect(await response.json()).toMatchObject({ revision: 1_000 })
    expect((await health()).status).toBe('degraded')
    const alarm = await runInDurableObject(hubStub(), (_, { storage }) => storage.getAlarm())
    expect((alarm ?? 0) - Date.now()).toBeLessThanOrEqual(2_000)
    await origin.publish([key], 2_000)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ status: 'ok', revision: 2_000 })
  })

  it('refuses the announced revision with other keys than those announced', async () => {
    await hubStub().snapshot({ force: false })
    const evil = await newKey()
    await origin.publish([key, evil], 2_000)
    const response = await outOfTime(edge.ping(await changed([key, next], 2_000)), 2)
    expect(await response.json()).toMatchObject({ revision: 1_000, kids: [key.kid, next.kid] })
    expect((await health()).origin.last_error?.reason).toBe('digest_mismatch')
    expect([401, 503]).toContain(await verdict(evil))
    expect(await verdict(next)).toBe(200)
  })

  it('raises an alarm where the held keys of that revision are others', async () => {
    await hubStub().snapshot({ force: false })
    await edge.ping(await changed([key], 1_000))
    expect(await health()).toMatchObject({ status: 'degraded', alarm: { name: 'digest_mismatch' } })
  })

  it('answers 503 and when to come back where the hub holds nothing', async () => {
    await origin.answer({ status: 403 })
    const response = await outOfTime(edge.ping(await changed([key], 2_000)), 1)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('2')
    expect(await response.json()).toEqual({ error: 'keys_unavailable' })
  })
})

describe('attack 62, 64: a ping that is not what it seems', () => {
  const nowSeconds = () => Math.floor(Date.now() / 1000)

  it('costs no fetch and changes nothing where it is forged, altered, stale or of another', async () => {
    await hubStub().snapshot({ force: false })
    await origin.publish([key], 2_000)
    const stranger = (await generateFreshKey('EdDSA', 0)).privateJwk
    const honest = await changed([key], 2_000)
    const foreign = { ...honest, data: { ...honest.data, issuer: 'https://other.test' } }
    const body = JSON.stringify(honest)
    const refused = [
      await edge.ping(honest, { ...(stranger && { key: stranger }) }),
      await edge.ping(honest, { body: body.replace('2000', '3000') }),
      await edge.ping(honest, { headers: { 'webhook-id': 'msg_other' } }),
      await edge.ping(honest, { headers: { 'webhook-timestamp': String(nowSeconds() - 1) } }),
      await edge.ping(honest, { headers: { 'webhook-signature': 'v1,AAAA' } }),
      await edge.ping(honest, { at: nowSeconds() - 301 }),
      await edge.ping(honest, { at: nowSeconds() + 301 }),
      await edge.ping(foreign),
      await edge.request('/internal/rotation', { method: 'POST', body }),
    ]
    for (const response of refused) {
      expect(response.status).toBe(401)
      expect(await response.json()).toEqual({ error: 'invalid_ping' })
      expect(response.headers.has('www-authenticate')).toBe(false)
    }
    expect(await origin.fetches()).toBe(1)
    expect((await health()).revision).toBe(1_000)
  })

  it('counts once by its id, also after an eviction, for as long as its time can hold', async () => {
    const replay = async () => {
      const answer = await hubStub().ping({ id: 'msg_once', ping: revoked([next.kid], 1_000) })
      return answer.outcome
    }
    expect(await replay()).toBe('acknowledged')
    expect(await replay()).toBe('replayed')
    await evictDurableObject(hubStub())
    pass(600_000)
    expect(await replay()).toBe('replayed')
    pass(61_000)
    expect(await replay()).toBe('acknowledged')
  })

  it('is answered 409 when it comes a second time', async () => {
    await hubStub().snapshot({ force: false })
    const sent: RequestInit[] = []
    const data = await changed([key, next], 1_000)
    const record = newIsolate()
    const first = await record.ping(data, { onSend: (init) => sent.push(init) })
    expect(first.status).toBe(200)
    const second = await edge.request('/internal/rotation', sent[0])
    expect(second.status).toBe(409)
    expect(await second.json()).toEqual({ error: 'replayed_ping' })
  })

  it('is refused by its size', async () => {
    const response = await edge.request('/internal/rotation', {
      method: 'POST',
      body: 'x'.repeat(16_385),
    })
    expect(response.status).toBe(413)
  })

  it('is refused where nobody may ping', async () => {
    const closed = newIsolate({ pingPublicKeys: '' })
    expect((await closed.ping(await changed([key], 2_000))).status).toBe(401)
  })
})

describe('a ping that revokes', () => {
  beforeEach(async () => {
    await hubStub().snapshot({ force: false })
  })

  it('holds at once, with the origin down and through an eviction', async () => {
    await origin.answer({ status: 503 })
    const response = await edge.ping(revoked([next.kid], 1_000))
    expect(await response.json()).toMatchObject({ revision: 1_000, revoked: [next.kid] })
    expect(await verdict(next)).toBe(401)
    expect(await verdict(key)).toBe(200)
    await evictDurableObject(hubStub())
    expect(await verdict(next)).toBe(401)
    expect(await origin.fetches()).toBe(1)
    const published = await (await newIsolate().get('/.well-known/jwks.json')).json()
    expect(published).toEqual({ keys: [key.jwk], revision: 1_000, revoked: [next.kid] })
  })

  it('reaches an isolate that already accepted the key within two buckets', async () => {
    const token = await next.token()
    expect((await edge.get('/api/x', token)).status).toBe(200)
    await newIsolate().ping(revoked([next.kid], 1_000))
    pass(4_000)
    expect((await edge.get('/api/x', token)).status).toBe(401)
  })

  it('attack 75: changes nothing for kids that nobody knows', async () => {
    const response = await edge.ping(revoked(['unheard-of'], 1_000))
    expect(await response.json()).toMatchObject({ revoked: [] })
  })

  it('stays while no later document speaks, and for ever once one confirms it', async () => {
    await edge.ping(revoked([next.kid], 1_000))
    await runDurableObjectAlarm(hubStub())
    expect((await health()).revoked).toEqual([next.kid])
    await origin.publish([key], 2_000, { revoked: [next.kid] })
    await runDurableObjectAlarm(hubStub())
    await origin.publish([key, next], 3_000)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ revision: 3_000, revoked: [next.kid], epoch: 0 })
    expect(await verdict(next)).toBe(401)
  })

  it('lapses with a later document that publishes the key and does not revoke it', async () => {
    const isolate = newIsolate()
    await edge.ping(revoked([next.kid], 1_000))
    expect((await isolate.get('/api/x', await next.token())).status).toBe(401)
    await origin.publish([key, next], 2_000)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ revision: 2_000, revoked: [], epoch: 1 })
    pass(4_000)
    expect((await isolate.get('/api/x', await next.token())).status).toBe(200)
  })
})

describe('a signed reset', () => {
  it('replaces everything with exactly its document, a lower revision included', async () => {
    await origin.publish([key, next], 5_000, { revoked: ['wrongly-revoked'] })
    const isolate = newIsolate()
    expect((await isolate.get('/api/x', await key.token())).status).toBe(200)
    await origin.publish([next], 4_000)
    const response = await edge.ping(await reset([next], 4_000))
    expect(await response.json()).toMatchObject({ revision: 4_000, kids: [next.kid], revoked: [] })
    expect(await health()).toMatchObject({ status: 'ok', epoch: 1 })
    pass(4_000)
    expect((await isolate.get('/api/x', await next.token())).status).toBe(200)
    expect((await isolate.get('/api/x', await key.token({ iat: 1_795_000_000 }))).status).toBe(401)
  })

  it('takes no other document, and waits', async () => {
    await origin.publish([key, next], 5_000)
    await hubStub().snapshot({ force: true })
    await origin.publish([key], 4_000)
    await outOfTime(edge.ping(await reset([next], 4_000)), 2)
    expect(await health()).toMatchObject({ status: 'degraded', revision: 5_000, epoch: 0 })
    await origin.publish([next], 4_000)
    await evictDurableObject(hubStub())
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ status: 'ok', revision: 4_000, epoch: 1 })
  })

  it('ends revocations from before it, and keeps those from after it', async () => {
    await hubStub().snapshot({ force: false })
    await edge.ping(revoked([key.kid], 1_000))
    pass(1_000)
    await origin.answer({ status: 503 })
    await outOfTime(edge.ping(await reset([key, next], 500)), 2)
    pass(1_000)
    await edge.ping(revoked([next.kid], 1_000))
    await origin.publish([key, next], 500)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ revision: 500, revoked: [next.kid] })
  })
})
