/** How often the hub reads the origin when all is well. */
export const READ_INTERVAL_MS = 60_000
const FIRST_RETRY_MS = 2_000

/**
 * When the hub reads the origin again, in milliseconds from now.
 *
 * `unsatisfied` counts the reads in a row that failed or did not reach a revision that a ping
 * announced: soon after the first of them, then ever later, and never later than the usual interval.
 */
export function nextReadInMs(unsatisfied: number): number {
  if (unsatisfied === 0) return READ_INTERVAL_MS
  return Math.min(READ_INTERVAL_MS, FIRST_RETRY_MS * 2 ** (unsatisfied - 1))
}
