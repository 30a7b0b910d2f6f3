/** How long one copy of the snapshot serves a whole location. */
export const BUCKET_MS = 2_000
/** Forced reads of one location within this time are one. */
export const FORCED_BUCKET_MS = 1_000

/** The bucket of an instant: it is in the cache key, so no cached copy is older than its bucket. */
export function bucketAt(nowMs: number, lengthMs: number): number {
  return Math.floor(nowMs / lengthMs)
}

/**
 * Reads a bucket number from a query, or answers `undefined` where it is malformed or more than one
 * bucket ahead of our clock: a copy of the future would be served when its time comes.
 */
export function parseBucket(
  text: string | null,
  nowMs: number,
  lengthMs: number,
): number | undefined {
  if (text === null || !/^[0-9]{1,15}$/.test(text)) return undefined
  const bucket = Number(text)
  return bucket <= bucketAt(nowMs, lengthMs) + 1 ? bucket : undefined
}
