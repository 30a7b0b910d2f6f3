import { type InfisicalErrorCode, isInfisicalError } from './errors.ts'
import type { AccessGrant } from './grant.ts'

/** What to do about a token before it ends, and when. */
export interface Renewal {
  readonly atMs: number
  /** `login` where a renewal would reach past the max TTL: servers destroy the token for trying. */
  readonly by: 'renew' | 'login'
}

/** When a token was asked for: its TTL counts from there, its max TTL from the login before it. */
export interface GrantTimes {
  readonly askedAtMs: number
  readonly loggedInAtMs: number
}

/** Milliseconds since the epoch at which the token ends; Infinity where it never does. */
export function grantEndMs({ ttl, maxTtl }: AccessGrant, times: GrantTimes): number {
  const endMs = ttl === 0 ? Number.POSITIVE_INFINITY : times.askedAtMs + ttl * 1000
  return Math.min(endMs, maxEndMs(maxTtl, times))
}

/**
 * Plans the renewal at 75 to 80 % of the token's life (`random` between 0 and 1 spreads processes
 * that started together). Undefined where the token never ends.
 */
export function planRenewal(
  grant: AccessGrant,
  times: GrantTimes,
  random: number,
): Renewal | undefined {
  const endMs = grantEndMs(grant, times)
  if (endMs === Number.POSITIVE_INFINITY) return undefined
  const atMs = times.askedAtMs + (endMs - times.askedAtMs) * (0.8 - 0.05 * random)
  const renewable = grant.ttl > 0 && atMs + grant.ttl * 1000 <= maxEndMs(grant.maxTtl, times)
  return { atMs, by: renewable ? 'renew' : 'login' }
}

function maxEndMs(maxTtl: number, { loggedInAtMs }: GrantTimes): number {
  return maxTtl === 0 ? Number.POSITIVE_INFINITY : loggedInAtMs + maxTtl * 1000
}

/** Asking again soon would not help, and could lock the identity. */
const LASTING: ReadonlySet<InfisicalErrorCode> = new Set([
  'invalid_credentials',
  'invalid_request',
  'locked',
  'untrusted_ip',
])

/** How long a failed renewal waits for its next attempt. `remainingMs` is what the token has left. */
export function renewalRetryMs(error: unknown, remainingMs: number): number {
  const soonMs = Math.min(30_000, Math.max(1000, remainingMs / 4))
  if (!isInfisicalError(error)) return soonMs
  if (LASTING.has(error.code)) return 5 * 60_000
  return Math.max(soonMs, (error.retryAfter ?? 0) * 1000)
}
