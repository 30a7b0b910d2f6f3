import {
  type Acknowledgement,
  type Clock,
  jwksDigest,
  type KeySource,
  type KeysAt,
  type KeysRevoked,
  type Ping,
} from '@keyturn/auth-core'
import type { HubStore } from './hub-store.ts'
import type { Log } from './log.ts'

/** How long a ping waits for what it announced. */
const REACH_MS = 3_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 500

/** A ping whose signature, time and issuer were verified. */
export interface VerifiedPing {
  readonly id: string
  readonly ping: Ping
}

/** What became of a ping. */
export type PingAnswer =
  | { readonly outcome: 'acknowledged'; readonly acknowledgement: Acknowledgement }
  | { readonly outcome: 'replayed' }
  | { readonly outcome: 'unavailable' }

/** What the receiver of pings works on. */
export interface PingDeps {
  readonly store: HubStore
  readonly source: KeySource
  readonly clock: Clock
  readonly log: Log
  /** Acknowledges what the hub serves now, if anything. */
  acknowledgeServed(): Promise<Acknowledgement | undefined>
  raiseAlarm(name: string): void
  /** Reads the origin again soon. */
  hurry(): void
}

/**
 * Makes the receiver of pings, which answers after it tried to reach what the ping announced.
 *
 * An id counts once. `keys.changed` reads the origin until it serves at least the revision, with
 * reads that all begin after the ping. `keys.revoked` denies the kids that are known, at once and
 * whether the origin answers or not. `revision.reset` waits for exactly its document.
 */
export function createPingReceiver(deps: PingDeps): (ping: VerifiedPing) => Promise<PingAnswer> {
  const { store, source, clock, log } = deps
  const heldJwks = () => source.peek()?.keySet.jwks

  async function keysChanged(data: KeysAt): Promise<void> {
    const announced = store.announced()
    if (!announced || data.revision >= announced.revision) {
      store.announce({ ...data, atMs: clock.nowMs() })
    }
    await reach(() => (heldJwks()?.revision ?? -1) >= data.revision)
    const held = heldJwks()
    if (held?.revision === data.revision && (await jwksDigest(held)) !== data.jwks_sha256) {
      deps.raiseAlarm('digest_mismatch')
    }
  }

  async function keysRevoked({ kids, revision }: KeysRevoked): Promise<void> {
    if (!heldJwks()) await source.read().catch(() => undefined)
    const jwks = heldJwks()
    const known = kids.filter((kid) => jwks?.keys.some((key) => key.kid === kid))
    for (const kid of known) store.deny({ kid, revision, atMs: clock.nowMs() })
    log('kids_denied', { kids: known, unknown: kids.length - known.length })
  }

  async function revisionReset(data: KeysAt): Promise<void> {
    const epoch = source.peek()?.epoch ?? 0
    store.setReset({ ...data, atMs: clock.nowMs(), epoch })
    log('reset_announced', { revision: data.revision })
    await reach(() => store.reset() === undefined)
  }

  /** Reads the origin, each time after the last, until it is reached or time is up. */
  async function reach(reached: () => boolean): Promise<void> {
    const deadlineMs = clock.nowMs() + REACH_MS
    let pauseMs = FIRST_PAUSE_MS
    while (!reached()) {
      await within(source.reload({ cause: 'ping' }), deadlineMs - clock.nowMs())
      if (reached()) return
      if (clock.nowMs() + pauseMs >= deadlineMs) return deps.hurry()
      await clock.sleep(pauseMs)
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }

  async function within(promise: Promise<unknown>, ms: number): Promise<void> {
    const cut = new AbortController()
    // The key source reports how the read ended.
    await Promise.race([promise.catch(() => undefined), clock.sleep(ms, cut.signal)])
    cut.abort()
  }

  function receive(ping: Ping): Promise<void> {
    switch (ping.type) {
      case 'keys.changed':
        return keysChanged(ping.data)
      case 'keys.revoked':
        return keysRevoked(ping.data)
      case 'revision.reset':
        return revisionReset(ping.data)
    }
  }

  return async ({ id, ping }) => {
    if (!store.remember(id, clock.nowMs())) return { outcome: 'replayed' }
    log('ping_received', { type: ping.type, revision: ping.data.revision })
    await receive(ping)
    const acknowledgement = await deps.acknowledgeServed()
    return acknowledgement
      ? { outcome: 'acknowledged', acknowledgement }
      : { outcome: 'unavailable' }
  }
}
