import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { beforeEach, describe, expect, it } from 'vitest'
import type { HubHealth } from '../src/hub-health.ts'
import {
  freshWorld,
  hubStub,
  JWKS_TYPE,
  newIsolate,
  newKey,
  origin,
  pass,
  type TestKey,
} from './support.ts'
import { WORKER_VARS } from './worker-vars.ts'

const key = await newKey()
const next = await newKey()

beforeEach(async () => {
  await freshWorld()
  await origin.publish([key], 1_000)
})

const health = async (): Promise<HubHealth> => await hubStub().health()
const read = (force = false) => hubStub().snapshot({ force })
const alarmAt = () => runInDurableObject(hubStub(), (_, state) => state.storage.getAlarm())

async function accepts(key: TestKey): Promise<number> {
  return (await newIsolate().get('/api/x', await key.token())).status
}

describe('the hub', () => {
  it('sends the Access service token to the origin, and the origin only', async () => {
    await read()
    await origin.answer(
      { status: 302, headers: { location: 'https://canary.test/jwks' } },
      'origin.test',
    )
    await runDurableObjectAlarm(hubStub())
    const seen = await origin.requests()
    expect(seen.map(({ url }) => url)).toEqual([WORKER_VARS.JWKS_URL, WORKER_VARS.JWKS_URL])
    expect(seen[0]?.headers).toMatchObject({
      'cf-access-client-id': WORKER_VARS.ACCESS_CLIENT_ID,
      'cf-access-client-secret': WORKER_VARS.ACCESS_CLIENT_SECRET,
    })
  })

  it.each<[string, Parameters<typeof origin.answer>[0]]>([
    [
      'access_login',
      {
        status: 302,
        headers: { location: 'https://team.cloudflareaccess.com/cdn-cgi/access/login/x' },
      },
    ],
    ['access_login', { headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' }],
    ['access_denied', { status: 403, body: 'error code: 1010' }],
    ['redirected', { status: 307, headers: { location: 'https://canary.test/' } }],
    ['not_json', { headers: { 'content-type': JWKS_TYPE }, body: 'nonsense' }],
    ['status', { status: 503 }],
    ['status', { status: 204 }],
    ['unreachable', { down: true }],
    ['jwks_invalid', { headers: { 'content-type': JWKS_TYPE }, body: '{"keys":[]}' }],
    [
      'jwks_invalid',
      {
        headers: { 'content-type': JWKS_TYPE },
        body: JSON.stringify({ keys: [{ ...next.jwk, d: 'private' }], revision: 2_000 }),
      },
    ],
    [
      'revision_of_the_future',
      {
        headers: { 'content-type': JWKS_TYPE },
        body: JSON.stringify({ keys: [next.jwk], revision: Date.now() + 3_600_000 }),
      },
    ],
  ])('attack 28, 70: keeps a good set and names the reason: %s', async (reason, answer) => {
    await read()
    await origin.answer(answer)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({
      status: 'degraded',
      revision: 1_000,
      kids: [key.kid],
      origin: { fetches: 2, failures: 1, last_error: { reason } },
    })
    expect(await accepts(key)).toBe(200)
    expect((await origin.requests()).some(({ url }) => url.includes('canary'))).toBe(false)
  })

  it('has nothing to serve before the first good read, and recovers with it', async () => {
    await origin.answer({ status: 403 })
    expect(await read()).toEqual({ ok: false, reason: 'access_denied' })
    expect(await health()).toMatchObject({ status: 'unavailable', revision: null, kids: [] })
    await origin.publish([key], 1_000)
    pass(2_000)
    expect(await read()).toMatchObject({ ok: true })
    expect(await health()).toMatchObject({ status: 'ok', revision: 1_000 })
  })

  it('attack 31: never goes back to an older revision', async () => {
    await origin.publish([key, next], 2_000)
    await read()
    await origin.publish([key], 1_000)
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({
      status: 'degraded',
      revision: 2_000,
      kids: [key.kid, next.kid],
      alarm: { name: 'revision_went_back' },
    })
  })

  it('takes a revocation of the revision that it holds, without an alarm', async () => {
    await origin.publish([key, next], 2_000)
    await read()
    await origin.publish([key], 2_000, { revoked: [next.kid] })
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({ kids: [key.kid], revoked: [next.kid], alarm: null })
    expect(await accepts(next)).toBe(401)
  })

  it('keeps the set of a revision, takes its revocations, and raises an alarm', async () => {
    await origin.publish([key, next], 2_000)
    await read()
    await origin.publish([await newKey()], 2_000, { revoked: [next.kid] })
    await runDurableObjectAlarm(hubStub())
    expect(await health()).toMatchObject({
      kids: [key.kid, next.kid],
      revoked: [next.kid],
      alarm: { name: 'same_revision_other_keys' },
    })
    expect(await accepts(key)).toBe(200)
    expect(await accepts(next)).toBe(401)
  })

  it('keeps its set and its counters through an eviction, with the origin down', async () => {
    await read()
    await origin.answer({ status: 503 })
    await evictDurableObject(hubStub())
    expect(await accepts(key)).toBe(200)
    expect(await health()).toMatchObject({
      status: 'ok',
      revision: 1_000,
      origin: { fetches: 1, failures: 0 },
    })
  })

  it('reads a new set where the stored one cannot be read any more', async () => {
    await read()
    await runInDurableObject(hubStub(), (_, state) => state.storage.kv.put('held', '{"jwks":{}}'))
    await evictDurableObject(hubStub())
    expect(await read()).toMatchObject({ ok: true })
    expect(await origin.fetches()).toBe(2)
  })

  it('reads the origin every 60 s by its alarm', async () => {
    await read()
    await origin.publish([key, next], 2_000)
    expect(await runDurableObjectAlarm(hubStub())).toBe(true)
    expect(await health()).toMatchObject({ revision: 2_000, kids: [key.kid, next.kid] })
    const inMs = ((await alarmAt()) ?? 0) - Date.now()
    expect(inMs).toBeGreaterThan(58_000)
    expect(inMs).toBeLessThanOrEqual(60_000)
  })

  it('retries soon after a failure, then ever later, and as usual after a success', async () => {
    await read()
    await origin.answer({ status: 503 })
    const delays: number[] = []
    for (let turn = 0; turn < 7; turn++) {
      await runDurableObjectAlarm(hubStub())
      await evictDurableObject(hubStub())
      delays.push(Math.round((((await alarmAt()) ?? 0) - Date.now()) / 1000))
    }
    expect(delays).toEqual([2, 4, 8, 16, 32, 60, 60])
    await origin.publish([key], 1_000)
    await runDurableObjectAlarm(hubStub())
    expect(Math.round((((await alarmAt()) ?? 0) - Date.now()) / 1000)).toBe(60)
  })

  it('vouches for an hour of outage, and no longer', async () => {
    await read()
    await origin.answer({ status: 503 })
    pass(3_599_000)
    expect(await read()).toMatchObject({ ok: true })
    pass(1_001)
    expect(await read()).toEqual({ ok: false, reason: 'status' })
  })

  it('a read for an unknown kid reaches the origin once in 5 s, whoever asks', async () => {
    pass(0)
    await read()
    await Promise.all(Array.from({ length: 50 }, () => read(true)))
    expect(await origin.fetches()).toBe(2)
    pass(4_999)
    await read(true)
    expect(await origin.fetches()).toBe(2)
    pass(1)
    await read(true)
    expect(await origin.fetches()).toBe(3)
  })
})
