import type { HeldKeys } from '@keyturn/auth-core'
import type { OriginStatus } from './hub-store.ts'

/** The hub's state for people: no key, no secret. Ages in milliseconds. */
export interface HubHealth {
  /** `degraded`: keys are served, but the last read of the origin failed or raised an alarm. */
  readonly status: 'ok' | 'degraded' | 'unavailable'
  readonly revision: number | null
  readonly epoch: number | null
  readonly kids: readonly string[]
  readonly revoked: readonly string[]
  /** Since the read of the origin began that brought or confirmed the keys. */
  readonly fetched_age_ms: number | null
  /** Why a document was not simply taken, until one is. */
  readonly alarm: { readonly name: string; readonly age_ms: number } | null
  readonly origin: {
    readonly fetches: number
    readonly failures: number
    /** The newest failure, also after a success. */
    readonly last_error: { readonly reason: string; readonly age_ms: number } | null
  }
}

/** Describes a hub at `nowMs`; `served` is absent where it has nothing to serve. */
export function describeHub(
  served: HeldKeys | undefined,
  { fetches, failures, unsatisfied, lastError, alarm }: OriginStatus,
  nowMs: number,
): HubHealth {
  const age = (atMs: number) => Math.max(0, nowMs - atMs)
  const troubled = unsatisfied > 0 || alarm !== undefined
  return {
    status: served ? (troubled ? 'degraded' : 'ok') : 'unavailable',
    revision: served?.keySet.jwks.revision ?? null,
    epoch: served?.epoch ?? null,
    kids: served?.keySet.jwks.keys.map(({ kid }) => kid) ?? [],
    revoked: served?.keySet.jwks.revoked ?? [],
    fetched_age_ms: served ? age(served.fetchedAtMs) : null,
    alarm: alarm ? { name: alarm.name, age_ms: age(alarm.atMs) } : null,
    origin: {
      fetches,
      failures,
      last_error: lastError ? { reason: lastError.reason, age_ms: age(lastError.atMs) } : null,
    },
  }
}
