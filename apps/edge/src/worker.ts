import { parsePingKeys, systemClock } from '@keyturn/auth-core'
import type { Hono } from 'hono'
import { createApp, type HubPort } from './app.ts'
import { BUCKET_MS, bucketAt } from './buckets.ts'
import { type EdgeConfig, parseConfig } from './config.ts'
import type { HubHealth } from './hub-health.ts'
import { createIsolateKeys } from './isolate-keys.ts'
import { HUB_NAME, type KeyHub } from './key-hub.ts'
import { consoleLog } from './log.ts'
import { json } from './wire-errors.ts'

export { KeyHub } from './key-hub.ts'
export { KeySnapshot } from './key-snapshot.ts'

/**
 * The one app of this isolate, with its keys in memory. It is made by the first request, since a
 * Worker may do nothing asynchronous before that.
 */
let app: Hono | undefined

async function appOf(env: Env): Promise<Hono> {
  if (app) return app
  const config = parseConfig(env)
  const pingKeys = await parsePingKeys(config.pingPublicKeys)
  app ??= assemble(env, config, pingKeys)
  return app
}

function assemble(env: Env, config: EdgeConfig, pingKeys: readonly CryptoKey[]): Hono {
  const parts = { clock: systemClock, log: consoleLog }
  return createApp({
    ...parts,
    config,
    pingKeys,
    keys: createIsolateKeys({ ...parts, ...config, snapshots: env.KEYS }),
    hub: hubPort(env),
  })
}

function hubPort(env: Env): HubPort {
  return {
    // A stub per call: one that threw may stay broken.
    ping: async (ping) => await stub(env).ping(ping),
    // Through the snapshot's cache, so that nobody can load the hub by asking how it is.
    health: async () => {
      const bucket = bucketAt(systemClock.nowMs(), BUCKET_MS)
      const response = await env.KEYS.fetch(`https://keys.internal/health?b=${bucket}`)
      if (!response.ok) throw new Error('the hub answers')
      return await response.json<HubHealth>()
    },
  }
}

function stub(env: Env): DurableObjectStub<KeyHub> {
  return env.HUB.getByName(HUB_NAME)
}

export default {
  async fetch(request, env, ctx) {
    try {
      return await (await appOf(env)).fetch(request, env, ctx)
    } catch (error) {
      // Only configuration throws here; its message names variables and holds none of their values.
      consoleLog('configuration_refused', { problem: error instanceof Error ? error.message : '' })
      return json({ error: 'server_error' }, 500)
    }
  },
} satisfies ExportedHandler<Env>
