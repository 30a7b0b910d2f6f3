import {
  AuthError,
  type Clock,
  createKeySource,
  type KeySource,
  type KeySourceEvent,
  type LoadedKeys,
  type LoadRequest,
  parseJsonObject,
  parseSnapshot,
  type Seconds,
} from '@keyturn/auth-core'
import { BUCKET_MS, bucketAt, FORCED_BUCKET_MS } from './buckets.ts'
import type { OnPartition } from './config.ts'
import type { Log } from './log.ts'

/** Two buckets: from then on a request waits for the hub's newest. */
const FRESH_FOR_MS = 4_000
/** Cut off from the hub: how long the last good read serves, or after which it is refused. */
const STALE_FOR_MS: Readonly<Record<OnPartition, number>> = { serve: 1_200_000, refuse: 5_000 }
const COOLDOWN_MS = 1_000
/** The issuer's own propagation: from a key's first token to its place in the JWKS. */
const ISSUER_LAG: Seconds = 5
/** Longer than the hub takes for a read of the origin. */
const DEADLINE_MS = 3_500

/** Where the snapshots come from: the service binding to `KeySnapshot`. */
export interface SnapshotPort {
  fetch(request: Request): Promise<Response>
}

/** What the keys of an isolate run on. */
export interface IsolateKeysDeps {
  readonly snapshots: SnapshotPort
  readonly clock: Clock
  readonly log: Log
  readonly onPartition: OnPartition
  readonly clockDifference: Seconds
}

/**
 * The key set in the memory of one isolate, read from the snapshot of the current bucket.
 *
 * Within a bucket it answers from memory; one bucket on, it answers and refreshes; further on, it
 * waits up to two seconds. What it holds is certain as of the start of the bucket, whatever caches
 * lie between.
 */
export function createIsolateKeys(deps: IsolateKeysDeps): KeySource {
  const { snapshots, clock, log, onPartition, clockDifference } = deps

  async function load({ cause }: LoadRequest): Promise<LoadedKeys> {
    const now = clock.nowMs()
    const bucket = bucketAt(now, BUCKET_MS)
    const forced = cause === 'unknown_kid' ? `&f=${bucketAt(now, FORCED_BUCKET_MS)}` : ''
    const text = await readSnapshot(`https://keys.internal/snapshot?b=${bucket}${forced}`)
    const { jwks, fetchedAtMs, epoch } = parseSnapshot(parseJsonObject(text))
    return { jwks, fetchedAtMs, epoch, asOfMs: bucket * BUCKET_MS }
  }

  async function readSnapshot(url: string): Promise<string> {
    const cut = new AbortController()
    const done = new AbortController()
    void clock.sleep(DEADLINE_MS, done.signal).then(() => cut.abort())
    try {
      const response = await snapshots.fetch(new Request(url, { signal: cut.signal }))
      const text = await response.text()
      if (response.status !== 200) throw unavailable(reasonIn(text))
      return text
    } catch (cause) {
      if (cause instanceof AuthError) throw cause
      throw unavailable('hub_unreachable', cause)
    } finally {
      done.abort()
    }
  }

  function onEvent(event: KeySourceEvent): void {
    if (event.type === 'load_failed') {
      const { error } = event
      const reason =
        error instanceof AuthError ? (error.details.reason ?? error.code) : 'unexpected'
      log('snapshot_read_failed', { reason, cause: event.cause })
    }
    if (event.type === 'alarm') log('snapshot_alarm', { alarm: event.alarm })
  }

  return createKeySource({
    load,
    clock,
    refreshAfterMs: BUCKET_MS,
    freshForMs: FRESH_FOR_MS,
    staleForMs: STALE_FOR_MS[onPartition],
    cooldownMs: COOLDOWN_MS,
    unknownKidCooldownMs: FORCED_BUCKET_MS,
    unknownKidMarginMs: (ISSUER_LAG + clockDifference) * 1000,
    onEvent,
  })
}

function reasonIn(text: string): string {
  const error = parseJsonObject(text)?.error
  return typeof error === 'string' ? error : 'hub_unreachable'
}

function unavailable(reason: string, cause?: unknown): AuthError {
  return new AuthError('keys_unavailable', 'the hub answers with a snapshot', { reason, cause })
}
