/** Whole seconds: a duration, or an instant since 1970-01-01T00:00:00Z (RFC 7519 NumericDate). */
export type Seconds = number

/** Where long-lived objects read the time and wait. Pure functions take `now` as an argument. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The clock of the machine. A cut-off sleep leaves no timer behind. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = setTimeout(resolve, ms)
      signal?.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    }),
}

/** The instant of `clock` in whole seconds, rounded down. */
export function nowSeconds(clock: Clock): Seconds {
  return Math.floor(clock.nowMs() / 1000)
}
