import { Hono } from 'hono'
import type { KeyHolder } from '../keys/holder.ts'
import type { Storage } from '../storage/storage.ts'
import { describeError, type Logger } from '../telemetry/log.ts'

const NO_STORE = { 'cache-control': 'no-store' }

export interface HealthRouteDeps {
  readonly keys: KeyHolder
  readonly storage: Storage
  readonly log: Logger
  /** Whether the process is on its way out: it finishes what it accepted and wants nothing new. */
  readonly isStopping: () => boolean
}

/** GET /healthz: the process is alive. GET /readyz: it can mint and write, and is not stopping. */
export function healthRoute({ keys, storage, log, isStopping }: HealthRouteDeps): Hono {
  const route = new Hono()
  route.get('/healthz', (c) => c.json({ status: 'alive' }, 200, NO_STORE))
  route.get('/readyz', async function readyz(c) {
    const reasons: string[] = []
    if (isStopping()) reasons.push('stopping')
    if (!keys.held()?.signer) reasons.push('no_current_key')
    const storeError = await failureOf(storage)
    if (storeError !== undefined) {
      log.error({ error: describeError(storeError) }, 'storage is not writable')
      reasons.push('storage_unavailable')
    }
    return reasons.length === 0
      ? c.json({ status: 'ready' }, 200, NO_STORE)
      : c.json({ status: 'not_ready', reasons }, 503, NO_STORE)
  })
  return route
}

/** Why nothing can be written now; `undefined` where it can. */
export async function failureOf(storage: Storage): Promise<unknown> {
  try {
    await storage.check()
    return undefined
  } catch (error) {
    return error ?? new Error('storage check failed')
  }
}
