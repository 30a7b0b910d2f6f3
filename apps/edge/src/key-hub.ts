import { DurableObject } from 'cloudflare:workers'
import { AuthError, createJwksFetcher, type HeldKeys, systemClock } from '@keyturn/auth-core'
import { parseConfig } from './config.ts'
import { createHub, type Hub, type SnapshotAnswer } from './hub.ts'
import type { HubHealth } from './hub-health.ts'
import type { PingAnswer, VerifiedPing } from './hub-pings.ts'
import { READ_INTERVAL_MS } from './hub-schedule.ts'
import { createHubStore, type HubStore } from './hub-store.ts'
import { consoleLog } from './log.ts'

/** The one hub of a deployment. */
export const HUB_NAME = 'hub'

/**
 * The only caller of the JWKS origin, in the whole world: a Durable Object, whose methods other
 * entrypoints of this Worker call. What it knows survives its evictions.
 */
export class KeyHub extends DurableObject<Env> {
  // Assigned before any event is delivered: blockConcurrencyWhile holds them back.
  #hub!: Hub

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const { storage } = ctx
    const { jwksUrl, jwksHeaders } = parseConfig(env)
    const wakeIn = (ms: number): void => void storage.setAlarm(Date.now() + ms)
    ctx.blockConcurrencyWhile(async () => {
      const store = createHubStore(storage)
      this.#hub = createHub({
        store,
        fetchJwks: createJwksFetcher({
          url: jwksUrl,
          headers: jwksHeaders,
          fetch: (request) => fetch(request),
          clock: systemClock,
        }),
        clock: systemClock,
        log: consoleLog,
        initial: await loadHeld(store),
        wakeIn,
      })
      if ((await storage.getAlarm()) === null) wakeIn(READ_INTERVAL_MS)
    })
  }

  override async alarm(): Promise<void> {
    await this.#hub.tick()
  }

  snapshot(options: { readonly force: boolean }): Promise<SnapshotAnswer> {
    return this.#hub.snapshot(options)
  }

  /** Takes a ping whose signature, time and issuer the caller verified. */
  ping(ping: VerifiedPing): Promise<PingAnswer> {
    return this.#hub.ping(ping)
  }

  health(): Promise<HubHealth> {
    return this.#hub.health()
  }
}

async function loadHeld(store: HubStore): Promise<HeldKeys | undefined> {
  try {
    return await store.loadHeld()
  } catch (error) {
    // A set that cannot be read any more must not keep the hub from reading a new one.
    consoleLog('stored_keys_refused', {
      code: error instanceof AuthError ? error.code : 'unexpected',
    })
    return undefined
  }
}
