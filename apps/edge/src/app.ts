import { AuthError, type Clock, type KeySource, verifyPing } from '@keyturn/auth-core'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { etag } from 'hono/etag'
import type { EdgeConfig } from './config.ts'
import type { HubHealth } from './hub-health.ts'
import type { PingAnswer, VerifiedPing } from './hub-pings.ts'
import type { Log } from './log.ts'
import { createRoutes } from './routes.ts'
import { json, refusal } from './wire-errors.ts'

/** The hub as the app sees it. */
export interface HubPort {
  ping(ping: VerifiedPing): Promise<PingAnswer>
  /** @throws where the hub cannot be reached */
  health(): Promise<HubHealth>
}

/** What the app runs on. */
export interface AppDeps {
  readonly config: Pick<EdgeConfig, 'issuer' | 'jwksMaxAge' | 'routes'>
  readonly keys: KeySource
  /** Of those who may ping; empty: nobody may. */
  readonly pingKeys: readonly CryptoKey[]
  readonly hub: HubPort
  readonly clock: Clock
  readonly log: Log
}

const MAX_PING_BYTES = 16_384

/**
 * Makes the Worker's app: the public key service, pings, health, and the verified routes.
 *
 * A path that two servers could read differently (encoded or doubled slashes, dot segments,
 * backslashes, NUL) is refused before anything is routed.
 */
export function createApp(deps: AppDeps): Hono {
  const { config, keys, clock, log } = deps
  // With a slash at its end a path is the same path, or it would slip past its route's scope.
  const app = new Hono({ strict: false })
  app.use(async (c, next) => {
    if (isAmbiguous(c.req.raw.url)) return json({ error: 'invalid_path' }, 400)
    return await next()
  })
  app.get('/.well-known/jwks.json', etag(), (c) => publicKeys(c, deps))
  app.post(
    '/internal/rotation',
    bodyLimit({
      maxSize: MAX_PING_BYTES,
      onError: () => json({ error: 'ping_too_large' }, 413),
    }),
    (c) => receivePing(c, deps),
  )
  app.get('/internal/health', () => health(deps))
  app.route('/', createRoutes({ routes: config.routes, keys, clock, log }))
  app.notFound(() => json({ error: 'not_found' }, 404))
  app.onError((error) => {
    if (error instanceof AuthError) {
      log('request_refused', { code: error.code, reason: error.details.reason })
      return refusal(error)
    }
    log('unexpected_error', { name: error.name })
    return json({ error: 'server_error' }, 500)
  })
  return app
}

const AMBIGUOUS = /\/\/|\\|%(25)*(2f|5c|2e|00)|\/\.{1,2}(\/|$)/i

function isAmbiguous(url: string): boolean {
  return AMBIGUOUS.test(new URL(url).pathname)
}

/** Revoked keys are left out, since other readers know nothing of `revoked`. */
async function publicKeys(c: Context, { keys, config }: AppDeps): Promise<Response> {
  const { keySet } = await keys.read((promise) => c.executionCtx.waitUntil(promise))
  const published = keySet.jwks.keys.filter(({ kid }) => !keySet.revoked.has(kid))
  return Response.json(
    { ...keySet.jwks, keys: published },
    {
      headers: {
        'content-type': 'application/jwk-set+json',
        'cache-control': `public, max-age=${config.jwksMaxAge}`,
      },
    },
  )
}

/** Verifies a ping here, so that forged ones never load the hub, and lets the hub follow it. */
async function receivePing(c: Context, deps: AppDeps): Promise<Response> {
  const { pingKeys, config, clock, hub, log } = deps
  const received = {
    id: c.req.header('webhook-id'),
    timestamp: c.req.header('webhook-timestamp'),
    signature: c.req.header('webhook-signature'),
    body: await c.req.text(),
  }
  const now = Math.floor(clock.nowMs() / 1000)
  const verified = await verifyPing(received, { keys: pingKeys, issuer: config.issuer, now })
  const answer = await hub.ping(verified).catch((error: unknown): PingAnswer => {
    log('hub_unreachable', { name: error instanceof Error ? error.name : 'unexpected' })
    return { outcome: 'unavailable' }
  })
  switch (answer.outcome) {
    case 'acknowledged':
      return json(answer.acknowledgement, 200)
    case 'replayed':
      return refusal(new AuthError('ping_replayed', 'an id counts once'))
    case 'unavailable':
      return json({ error: 'keys_unavailable' }, 503, { 'retry-after': '2' })
  }
}

async function health({ hub, keys, clock }: AppDeps): Promise<Response> {
  const held = keys.peek()
  const snapshot_age_ms = held ? Math.max(0, clock.nowMs() - held.asOfMs) : null
  try {
    const state = await hub.health()
    const status = state.status === 'unavailable' ? 503 : 200
    return json({ ...state, snapshot_age_ms }, status)
  } catch {
    return json({ status: 'unavailable', reason: 'hub_unreachable', snapshot_age_ms }, 503)
  }
}
