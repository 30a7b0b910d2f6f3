import { AuthError } from '../errors.ts'
import { isJsonObject } from '../json.ts'
import { type PublicJwks, parseJwks } from '../jwks.ts'
import type { HeldKeys } from '../key-source/accept.ts'

/**
 * The form in which the hub hands its key set to isolates.
 *
 * ```json
 * { "jwks": { "keys": [ … ], "revision": 1795226780998, "revoked": [] },
 *   "fetched_at_ms": 1795226781010, "since_ms": 1795226781010, "epoch": 0 }
 * ```
 */
export interface Snapshot {
  readonly jwks: PublicJwks
  /** When the hub's read of the issuer began. */
  readonly fetchedAtMs: number
  /** Since when the hub has held exactly these keys. */
  readonly sinceMs: number
  readonly epoch: number
}

/** Writes what a hub holds as a snapshot. */
export function formatSnapshot({ keySet, fetchedAtMs, sinceMs, epoch }: HeldKeys): string {
  return JSON.stringify({
    jwks: keySet.jwks,
    fetched_at_ms: fetchedAtMs,
    since_ms: sinceMs,
    epoch,
  })
}

/** Reads a snapshot. @throws {AuthError} `jwks_invalid` */
export function parseSnapshot(value: unknown): Snapshot {
  if (!isJsonObject(value)) throw invalid()
  const { fetched_at_ms: fetchedAtMs, since_ms: sinceMs, epoch } = value
  if (!isCount(fetchedAtMs) || !isCount(sinceMs) || !isCount(epoch)) throw invalid()
  return { jwks: parseJwks(value.jwks), fetchedAtMs, sinceMs, epoch }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function invalid(): AuthError {
  return new AuthError('jwks_invalid', 'a snapshot holds jwks, fetched_at_ms, since_ms and epoch')
}
