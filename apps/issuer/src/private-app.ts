import { hash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '@keyturn/auth-core'
import { Hono, type MiddlewareHandler } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { type Config, isLoopback } from './config.ts'
import type { KeyHolder } from './keys/holder.ts'
import type { Reloader } from './keys/reload.ts'
import { adminClients } from './routes/admin-clients.ts'
import { failureOf } from './routes/health.ts'
import { limitBody, tooLarge } from './routes/limit-body.ts'
import type { Storage } from './storage/storage.ts'
import { describeError, type Logger } from './telemetry/log.ts'
import { measure } from './telemetry/measure.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { type LoginStatus, securityHealth } from './telemetry/security-health.ts'

/** What the private listener needs. */
export interface PrivateAppDeps {
  readonly config: Pick<Config, 'policy' | 'private' | 'privateToken'>
  readonly keys: KeyHolder
  readonly reloader: Reloader
  readonly storage: Storage
  readonly loginStatus: () => LoginStatus
  readonly startedAtMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** The private listener: health for operators, metrics, and what the command line needs. */
export function createPrivateApp(deps: PrivateAppDeps): Hono {
  const { config, keys, reloader, storage, clock, log, metrics } = deps
  const app = new Hono()
  app.use(measure(metrics))
  app.use(async function noStore(c, next) {
    await next()
    c.res.headers.set('cache-control', 'no-store')
  })
  app.use(refuseBrowsers(config.private.host))
  if (config.privateToken !== undefined) app.use(demandToken(config.privateToken))
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        c.json({ error: 'method_not_allowed' }, 405, { allow: methods.join(', ') }),
    }),
  )
  app.get('/internal/security/health', async function health(c) {
    return c.json(
      securityHealth({
        login: deps.loginStatus(),
        keys: keys.held(),
        lastReload: reloader.last(),
        storeError: await failureOf(storage),
        policy: config.policy,
        startedAtMs: deps.startedAtMs,
        nowMs: clock.nowMs(),
      }),
    )
  })
  app.get('/metrics', async function scrape(c) {
    const { registry } = metrics
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
  app.use('/admin/*', limitBody(64 * 1024, tooLarge))
  app.route('/admin/clients', adminClients({ clients: storage.clients, clock, log }))
  app.notFound((c) => c.json({ error: 'not_found' }, 404))
  app.onError((error, c) => {
    log.error({ error: describeError(error) }, 'private request failed')
    return c.json({ error: 'server_error' }, 500)
  })
  return app
}

/**
 * Refuses what a web page can make a browser on this machine send: a name that was rebound to this
 * address (a foreign `Host`), and any cross-origin write (`Origin`). A listener on every address has
 * no name of its own; there the token alone decides.
 */
function refuseBrowsers(boundTo: string): MiddlewareHandler {
  const anyHost = boundTo === '0.0.0.0' || boundTo === '::'
  return async function refuseBrowsers(c, next) {
    const host = new URL(c.req.url).hostname
    const ours = anyHost || isLoopback(host) || host === boundTo || host === `[${boundTo}]`
    if (!ours) return c.json({ error: 'foreign_host' }, 403)
    if (c.req.header('origin') !== undefined) return c.json({ error: 'foreign_origin' }, 403)
    return await next()
  }
}

function demandToken(token: string): MiddlewareHandler {
  const expected = hash('sha256', token, 'buffer')
  return async function demandToken(c, next) {
    const presented = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    const digest = hash('sha256', presented ?? '', 'buffer')
    if (presented !== undefined && timingSafeEqual(digest, expected)) return await next()
    c.header('www-authenticate', 'Bearer realm="private listener"')
    return c.json({ error: 'unauthorized' }, 401)
  }
}
