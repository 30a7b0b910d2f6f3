import { createServer } from 'node:http'
import { acknowledge, parsePingKeys, verifyPing } from '@keyturn/auth-core'
import { createPingSigner } from '@keyturn/auth-core/signing'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { createPinger, type PingOutcome } from '../src/keys/pings.ts'
import { type Listener, listen } from '../src/listener.ts'
import { createLog } from '../src/telemetry/log.ts'
import { createWorld, ISSUER, T0, type World } from './world.ts'

const open: Listener[] = []
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close()
})

async function startEdge(answer: (body: string, headers: Headers) => Response | Promise<Response>) {
  const app = new Hono()
  app.post('/internal/rotation', async (c) => answer(await c.req.text(), c.req.raw.headers))
  const listener = await listen(app, { host: '127.0.0.1', port: 0 })
  open.push(listener)
  return listener.url
}

async function ping(
  world: World,
  urls: readonly string[],
  timeoutMs = 2_000,
  stop = new AbortController(),
) {
  const edges = urls.map((url, index) => ({ name: `edge-${index}`, url }))
  const propagation = { edges, pingKey: world.pingKey, webhookSecrets: [] }
  const keyring = { ...world.keyring, revision: world.keyring.revision + 1 }
  world.reader.answer = async () => ({ ...world.read, keyring, propagation })
  await world.reloader.reload('poll')
  const held = world.holder.held()
  if (!held) throw new Error('a keyring is held')
  const outcomes: PingOutcome[] = []
  const lines: string[] = []
  const pinger = createPinger({
    issuer: ISSUER,
    fetch,
    clock: world.clock,
    log: createLog('trace', { write: (line) => void lines.push(line) }),
    onPing: (outcome) => outcomes.push(outcome),
    signal: stop.signal,
    timeoutMs,
  })
  await pinger(held)
  return { outcomes: outcomes.sort(), held, lines }
}

describe('pinging the edges', () => {
  it('sends every edge the revision and digest, signed, with an id of its own', async () => {
    const world = await createWorld()
    const keys = await parsePingKeys((await createPingSigner(world.pingKey)).publicKey)
    const received: { id: string; data: unknown }[] = []
    const edge = await startEdge(async (body, headers) => {
      const { id, ping } = await verifyPing(
        {
          id: headers.get('webhook-id'),
          timestamp: headers.get('webhook-timestamp'),
          signature: headers.get('webhook-signature'),
          body,
        },
        { keys, issuer: ISSUER, now: T0 },
      )
      received.push({ id, data: ping.data })
      return Response.json(
        await acknowledge(world.holder.held()?.jwks ?? { keys: [], revoked: [] }, 0),
      )
    })
    const { outcomes, held } = await ping(world, [edge, edge])
    expect(outcomes).toEqual(['acknowledged', 'acknowledged'])
    const data = { issuer: ISSUER, revision: held.keyring.revision, jwks_sha256: held.digest }
    expect(received.map((one) => one.data)).toEqual([data, data])
    expect(new Set(received.map(({ id }) => id)).size).toBe(2)
  })

  it('tells an edge that is behind from one that refuses, redirects or talks nonsense', async () => {
    const world = await createWorld()
    const redirected: string[] = []
    const canary = await startEdge((body) => {
      redirected.push(body)
      return Response.json({})
    })
    const behind = await startEdge(() =>
      Response.json({ revision: 1, jwks_sha256: 'x', kids: [], revoked: [] }),
    )
    const refusing = await startEdge(() =>
      Response.json({ error: 'invalid_ping' }, { status: 401 }),
    )
    const redirecting = await startEdge(
      () =>
        new Response(null, { status: 307, headers: { location: `${canary}/internal/rotation` } }),
    )
    const talking = await startEdge(() => new Response('<html>'))
    const { outcomes } = await ping(world, [behind, refusing, redirecting, talking])
    expect(outcomes).toEqual(['behind', 'refused', 'refused', 'unreachable'])
    expect(redirected).toEqual([])
  })

  it('gives up on an edge that hangs, and on one that is not there, without rejecting', async () => {
    const world = await createWorld()
    const hanging = createServer(() => undefined)
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const address = hanging.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const startedAt = performance.now()
    const { outcomes, lines } = await ping(
      world,
      [`http://127.0.0.1:${port}`, 'http://127.0.0.1:1'],
      200,
    )
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    expect(outcomes).toEqual(['unreachable', 'unreachable'])
    expect(lines.join()).toContain('edge-0')
    hanging.closeAllConnections()
    hanging.close()
  })

  it('stops at once when the process does', async () => {
    const world = await createWorld()
    const stop = new AbortController()
    const edge = await startEdge(() => {
      stop.abort()
      return new Promise<Response>(() => undefined)
    })
    const startedAt = performance.now()
    expect((await ping(world, [edge], 5_000, stop)).outcomes).toEqual(['unreachable'])
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    open.length = 0
  })

  it('asks nobody where no edge is registered', async () => {
    const world = await createWorld()
    expect((await ping(world, [])).outcomes).toEqual([])
  })
})
