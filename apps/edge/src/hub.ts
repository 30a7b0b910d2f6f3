import {
  type AcceptAlarm,
  type Acknowledgement,
  AuthError,
  acknowledge,
  type Clock,
  createKeySource,
  formatSnapshot,
  type HeldKeys,
  jwksDigest,
  type KeySourceEvent,
  type LoadedKeys,
} from '@keyturn/auth-core'
import { describeHub, type HubHealth } from './hub-health.ts'
import { createPingReceiver, type PingAnswer, type VerifiedPing } from './hub-pings.ts'
import { judgeDenied, layDenied } from './hub-revocations.ts'
import { nextReadInMs } from './hub-schedule.ts'
import type { HubStore, PendingReset } from './hub-store.ts'
import type { Log } from './log.ts'

/** After an hour without any good read of the origin the hub no longer vouches for its keys. */
const STALE_FOR_MS = 3_600_000
/** Between two reads while there is nothing to serve. */
const COLD_RETRY_MS = 2_000
/** As long as one read of the origin may take. */
const COLD_WAIT_MS = 3_000
/** Between two reads for unknown kids, in the whole world: there is one hub. */
const FORCED_COOLDOWN_MS = 5_000
/** What the hub hands out, or why there is nothing. */
export type SnapshotAnswer =
  | { readonly ok: true; readonly snapshot: string }
  | { readonly ok: false; readonly reason: string }

/** The one reader of the origin. */
export interface Hub {
  /** The key set; `force` asks for a new read because a token names a kid that is not in it. */
  snapshot(options: { readonly force: boolean }): Promise<SnapshotAnswer>
  ping(ping: VerifiedPing): Promise<PingAnswer>
  health(): Promise<HubHealth>
  /** The alarm: reads the origin and sets the next alarm. Never throws. */
  tick(): Promise<void>
}

/** What a hub runs on. */
export interface HubDeps {
  readonly store: HubStore
  /** Reads the origin, with its own deadline. */
  fetchJwks(): Promise<LoadedKeys>
  readonly clock: Clock
  readonly log: Log
  /** What was held before an eviction. */
  readonly initial?: HeldKeys | undefined
  /** Sets the one alarm to this many milliseconds from now. */
  wakeIn(ms: number): void
}

/**
 * Runs the key set of the world: reads the origin on its alarm, after pings and for unknown kids,
 * keeps what it read through evictions and outages, and lays the kids that pings revoked over it.
 */
export function createHub({ store, fetchJwks, clock, log, initial, wakeIn }: HubDeps): Hub {
  const source = createKeySource({
    load,
    clock,
    // The alarm refreshes; whoever asks waits for a read only where there is nothing to serve.
    refreshAfterMs: STALE_FOR_MS,
    freshForMs: STALE_FOR_MS,
    staleForMs: STALE_FOR_MS,
    cooldownMs: COLD_RETRY_MS,
    unknownKidCooldownMs: FORCED_COOLDOWN_MS,
    waitMs: COLD_WAIT_MS,
    ...(initial && { initial }),
    onEvent,
  })
  const ping = createPingReceiver({
    store,
    source,
    clock,
    log,
    acknowledgeServed,
    raiseAlarm,
    hurry,
  })
  let forced: Promise<unknown> | undefined
  let forcedAtMs = Number.NEGATIVE_INFINITY

  async function load(): Promise<LoadedKeys> {
    const status = store.status()
    store.setStatus({ ...status, fetches: status.fetches + 1 })
    const loaded = await fetchJwks()
    const { revision } = loaded.jwks
    const digest = await jwksDigest(loaded.jwks)
    const held = source.peek()
    const reset = store.reset()
    if (reset?.revision === revision && reset?.jwks_sha256 === digest) {
      return { ...loaded, epoch: (held?.epoch ?? 0) + 1 }
    }
    const announced = store.announced()
    const other = announced?.revision === revision && announced?.jwks_sha256 !== digest
    // A held set of this very revision stays in any case, and takes the document's revocations.
    if (other && held?.keySet.jwks.revision !== revision) throw refused('digest_mismatch')
    return loaded
  }

  function onEvent(event: KeySourceEvent): void {
    if (event.type === 'load_failed') noteFailure(event.error, event.cause)
    else noteRead(event.type === 'alarm' ? event.alarm : undefined)
  }

  function noteRead(alarm: AcceptAlarm | undefined): void {
    settle()
    const { unsatisfied, ...status } = store.status()
    store.setStatus({
      ...status,
      unsatisfied: isBehind() ? unsatisfied + 1 : 0,
      alarm: undefined,
    })
    if (alarm) raiseAlarm(alarm)
  }

  function noteFailure(error: unknown, cause: string): void {
    const reason = reasonOf(error)
    log('origin_read_failed', { reason, cause })
    const { failures, unsatisfied, ...status } = store.status()
    store.setStatus({
      ...status,
      failures: failures + 1,
      // Invented kids must not slow the alarm down.
      unsatisfied: cause === 'unknown_kid' ? unsatisfied : unsatisfied + 1,
      lastError: { reason, atMs: clock.nowMs() },
    })
  }

  function raiseAlarm(name: string): void {
    log('hub_alarm', { alarm: name })
    store.setStatus({ ...store.status(), alarm: { name, atMs: clock.nowMs() } })
  }

  /** Stores what is held now and what follows from it, in one turn. */
  function settle(): void {
    const held = source.peek()
    if (!held) return
    store.saveHeld(held)
    const reset = store.reset()
    if (reset && held.epoch > reset.epoch && held.keySet.jwks.revision === reset.revision) {
      endReset(reset)
    }
    const { confirmed, lapsed } = judgeDenied(store.denied(), held.keySet.jwks)
    store.undeny([...confirmed, ...lapsed])
    if (lapsed.length === 0) return
    store.addLapses(lapsed.length)
    log('revocations_lapsed', { kids: lapsed, revision: held.keySet.jwks.revision })
  }

  /** The reset replaced everything, so nothing from before it may speak any more. */
  function endReset(reset: PendingReset): void {
    const before = store.denied().filter(({ atMs }) => atMs < reset.atMs)
    store.undeny(before.map(({ kid }) => kid))
    if ((store.announced()?.atMs ?? 0) < reset.atMs) store.announce(undefined)
    store.setReset(undefined)
    log('reset_done', { revision: reset.revision, epoch: source.peek()?.epoch })
  }

  /** Whether a ping announced something that no read brought yet. */
  function isBehind(): boolean {
    const announced = store.announced()
    const revision = source.peek()?.keySet.jwks.revision ?? -1
    return store.reset() !== undefined || (announced?.revision ?? -1) > revision
  }

  function hurry(): void {
    store.setStatus({ ...store.status(), unsatisfied: 1 })
    wakeIn(nextReadInMs(1))
  }

  function served(): HeldKeys | undefined {
    const held = source.peek()
    return held && layDenied(held, store.denied(), store.lapses())
  }

  async function acknowledgeServed(): Promise<Acknowledgement | undefined> {
    const now = served()
    return now && (await acknowledge(now.keySet.jwks, ageInSeconds(now.sinceMs)))
  }

  function ageInSeconds(sinceMs: number): number {
    return Math.max(0, Math.floor((clock.nowMs() - sinceMs) / 1000))
  }

  async function forceRead(): Promise<void> {
    if (!forced && clock.nowMs() - forcedAtMs >= FORCED_COOLDOWN_MS) {
      forcedAtMs = clock.nowMs()
      forced = source
        .reload({ cause: 'unknown_kid' })
        .catch(() => undefined)
        .finally(() => {
          forced = undefined
        })
    }
    await forced
  }

  return {
    ping,
    snapshot: async ({ force }) => {
      if (force) await forceRead()
      try {
        await source.read()
      } catch (error) {
        return { ok: false, reason: reasonOf(error) }
      }
      const now = served()
      return now
        ? { ok: true, snapshot: formatSnapshot(now) }
        : { ok: false, reason: 'keys_unavailable' }
    },
    health: async () => {
      const readable = await source.read().then(
        () => true,
        () => false,
      )
      return describeHub(readable ? served() : undefined, store.status(), clock.nowMs())
    },
    tick: async () => {
      // How it ended is in the status, and decides when the next one is.
      await source.reload({ cause: 'routine' }).catch(() => undefined)
      wakeIn(nextReadInMs(store.status().unsatisfied))
    },
  }
}

function refused(reason: string): AuthError {
  return new AuthError('jwks_invalid', 'the document is the one that was announced', { reason })
}

/** The reason code of a failed read, the innermost one that is known. */
function reasonOf(error: unknown): string {
  if (!(error instanceof AuthError)) return 'unexpected'
  if (error.cause instanceof AuthError) return reasonOf(error.cause)
  return typeof error.details.reason === 'string' ? error.details.reason : error.code
}
