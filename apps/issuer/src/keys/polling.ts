import type { Clock, Seconds } from '@keyturn/auth-core'

/** The share of the interval by which a wait differs at most, so that processes do not march in step. */
const JITTER = 0.2

/**
 * Calls `poll` again and again, one call after the other, until `signal` aborts. The first wait comes
 * first. `random` answers 0 to 1.
 */
export async function pollEvery(
  interval: Seconds,
  poll: () => Promise<unknown>,
  {
    clock,
    signal,
    random = Math.random,
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly random?: () => number },
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(interval * 1000 * (1 - JITTER + 2 * JITTER * random()), signal)
    if (!signal.aborted) await poll()
  }
}
