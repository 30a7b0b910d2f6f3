import type { Clock } from '@keyturn/auth-core'
import { Hono } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { createClientAuthenticator } from './clients/authenticate.ts'
import type { Config } from './config.ts'
import { createMint } from './grants/mint.ts'
import type { KeyHolder } from './keys/holder.ts'
import type { Reloader } from './keys/reload.ts'
import { healthRoute } from './routes/health.ts'
import { infisicalHook, type VerifyWebhook } from './routes/infisical-hook.ts'
import { jwksRoute } from './routes/jwks.ts'
import { metadataRoute } from './routes/metadata.ts'
import { rotationHook } from './routes/rotation-hook.ts'
import { tokenRoute } from './routes/token.ts'
import type { Storage } from './storage/storage.ts'
import { describeError, type Logger } from './telemetry/log.ts'
import { measure } from './telemetry/measure.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** What the public listener needs. */
export interface AppDeps {
  readonly config: Pick<Config, 'issuer' | 'jwksUri' | 'policy'>
  readonly keys: KeyHolder
  readonly reloader: Reloader
  readonly storage: Storage
  readonly verifyWebhook: VerifyWebhook
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly isStopping: () => boolean
}

/** The public listener: tokens, keys, metadata, hooks and health. */
export function createApp(deps: AppDeps): Hono {
  const { config, keys, reloader, storage, clock, log, metrics } = deps
  const { issuer, jwksUri, policy } = config
  const app = new Hono()
  app.use(measure(metrics))
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        c.json({ error: 'method_not_allowed' }, 405, { allow: methods.join(', ') }),
    }),
  )
  app.route(
    '/oauth/token',
    tokenRoute({
      authenticate: createClientAuthenticator(storage.clients),
      mint: createMint({ issuer, policy, clock, signer: () => keys.held()?.signer }),
      reloadUrgently: reloader.reloadUrgently,
      log,
      metrics,
    }),
  )
  app.route('/.well-known/jwks.json', jwksRoute({ keys, maxAge: policy.jwksMaxAge }))
  app.route('/.well-known', metadataRoute({ issuer, jwksUri }))
  app.route('/hooks/infisical', infisicalHook(deps))
  app.route('/hooks/rotation', rotationHook({ issuer, keys, reloader, clock, log }))
  app.route('/', healthRoute(deps))
  app.notFound((c) => c.json({ error: 'not_found' }, 404))
  app.onError((error, c) => {
    log.error({ error: describeError(error) }, 'request failed')
    return c.json({ error: 'server_error' }, 500)
  })
  return app
}
