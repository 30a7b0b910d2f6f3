import type { Clock } from '@keyturn/auth-core'
import { type Context, Hono } from 'hono'
import type { KeyHolder } from '../keys/holder.ts'
import type { Reloader } from '../keys/reload.ts'
import { createSeenOnce } from '../keys/seen-once.ts'
import { describeError, type Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { limitBody, tooLarge } from './limit-body.ts'

const MAX_BODY_BYTES = 16 * 1024

/** Longer than a delivery is taken, so that no delivery counts twice. */
const REMEMBERED_MS = 600_000

/** Checks a delivery of Infisical's webhook; it throws for one that is not authentic. */
export type VerifyWebhook = (delivery: {
  readonly rawBody: string
  readonly header: string | undefined
  readonly secrets: readonly string[]
  readonly nowMs: number
}) => { readonly event: string }

export interface InfisicalHookDeps {
  readonly keys: KeyHolder
  readonly reloader: Reloader
  readonly verifyWebhook: VerifyWebhook
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'delivery'>
}

/**
 * POST /hooks/infisical: a change in the store. It names no secret, so every authentic delivery leads
 * to a read; deliveries that arrive together share one, and a repeated one leads to none.
 *
 * The answer comes after the read: a 503 makes Infisical deliver again.
 */
export function infisicalHook(deps: InfisicalHookDeps): Hono {
  const { keys, reloader, clock, log, metrics } = deps
  const seen = createSeenOnce({ clock, ttlMs: REMEMBERED_MS, capacity: 10_000 })
  const route = new Hono()

  route.post('/', limitBody(MAX_BODY_BYTES, tooLarge), async (c) => {
    const header = c.req.header('x-infisical-signature')
    const event = authenticEvent(await c.req.text(), header)
    if (event === undefined || header === undefined) {
      metrics.delivery('refused')
      return c.json({ error: 'invalid_signature' }, 401)
    }
    if (event === 'test') {
      metrics.delivery('test')
      return c.json({ event })
    }
    return await reloadOnce(c, header)
  })

  function authenticEvent(rawBody: string, header: string | undefined): string | undefined {
    const secrets = keys.held()?.ping.webhookSecrets ?? []
    try {
      return deps.verifyWebhook({ rawBody, header, secrets, nowMs: clock.nowMs() }).event
    } catch (error) {
      log.warn({ error: describeError(error) }, 'webhook refused')
      return undefined
    }
  }

  async function reloadOnce(c: Context, header: string): Promise<Response> {
    if (!seen.claim(header)) {
      metrics.delivery('replayed')
      return c.json({ outcome: 'replayed' })
    }
    const { outcome } = await reloader.reload('webhook')
    metrics.delivery(outcome === 'failed' ? 'failed' : 'reloaded')
    if (outcome !== 'failed') return c.json({ outcome })
    // Its repetition must count: Infisical delivers the identical body again.
    seen.release(header)
    c.header('retry-after', '5')
    return c.json({ error: 'keys_unavailable' }, 503)
  }

  return route
}
