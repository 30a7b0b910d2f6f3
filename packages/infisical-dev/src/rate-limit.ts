import type { Clock } from './clock.ts'

/** Requests per minute, route and client address, as recorded. */
export const requestsPerMinute = { secrets: 40, read: 60, write: 200 } as const

export type Limit = keyof typeof requestsPerMinute

export interface Quota {
  readonly limit: number
  readonly remaining: number
  /** Whole seconds until the window ends. */
  readonly resetSeconds: number
  readonly isExceeded: boolean
}

/** Counts a request of `key` and answers what is left. */
export type RateLimiter = (key: string, limit: Limit) => Quota

const windowMs = 60_000

/** Fixed windows of a minute that begin with the first request of a key; kept in memory. */
export function createRateLimiter(clock: Clock): RateLimiter {
  const windows = new Map<string, { count: number; readonly endsAtMs: number }>()
  return (key, name) => {
    const nowMs = clock.nowMs()
    const open = windows.get(key)
    const window = open && open.endsAtMs > nowMs ? open : { count: 0, endsAtMs: nowMs + windowMs }
    window.count += 1
    windows.set(key, window)
    const limit = requestsPerMinute[name]
    return {
      limit,
      remaining: Math.max(0, limit - window.count),
      resetSeconds: Math.ceil((window.endsAtMs - nowMs) / 1000),
      isExceeded: window.count > limit,
    }
  }
}
