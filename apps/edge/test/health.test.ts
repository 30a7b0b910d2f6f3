import { beforeEach, describe, expect, it } from 'vitest'
import { freshWorld, hubStub, newIsolate, newKey, origin, pass } from './support.ts'

const key = await newKey()
const next = await newKey()

let edge = newIsolate()
beforeEach(async () => {
  await freshWorld()
  edge = newIsolate()
})

async function health() {
  const response = await edge.get('/internal/health')
  expect(response.headers.get('cache-control')).toBe('no-store')
  return { status: response.status, body: await response.json<Record<string, unknown>>() }
}

describe('GET /internal/health', () => {
  it('tells revision, kids and ages of the hub and of this isolate', async () => {
    pass(0)
    await origin.publish([key, next], 1_000, { revoked: ['gone'] })
    await edge.get('/api/x', await key.token())
    pass(10_000)
    const { status, body } = await health()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'ok',
      revision: 1_000,
      epoch: 0,
      kids: [key.kid, next.kid],
      revoked: ['gone'],
      fetched_age_ms: 10_000,
      alarm: null,
      origin: { fetches: 1, failures: 0, last_error: null },
    })
    expect(body.snapshot_age_ms).toBeGreaterThanOrEqual(10_000)
    expect(body.snapshot_age_ms).toBeLessThan(12_000)
  })

  it('names why there is nothing to serve, with 503', async () => {
    await origin.answer({ status: 403, body: 'error code: 1010' })
    const { status, body } = await health()
    expect(status).toBe(503)
    expect(body).toMatchObject({
      status: 'unavailable',
      revision: null,
      snapshot_age_ms: null,
      origin: { failures: 1, last_error: { reason: 'access_denied' } },
    })
  })

  it('says so when the hub no longer vouches for its keys', async () => {
    await origin.publish([key], 1_000)
    await hubStub().snapshot({ force: false })
    await origin.answer({ status: 500 })
    pass(3_600_000)
    const { status, body } = await health()
    expect(status).toBe(503)
    expect(body).toMatchObject({ status: 'unavailable', kids: [] })
  })

  it('answers where the hub cannot be reached', async () => {
    edge = newIsolate({}, { health: () => Promise.reject(new Error('partition')) })
    const { status, body } = await health()
    expect(status).toBe(503)
    expect(body).toEqual({
      status: 'unavailable',
      reason: 'hub_unreachable',
      snapshot_age_ms: null,
    })
  })
})
