import type { Clock } from '@keyturn/auth-core'

/** Remembers names for a while, so that each counts once. */
export interface SeenOnce {
  /** Whether the name is new; it is remembered from now on. */
  claim(name: string): boolean
  /** Makes a claimed name new again. */
  release(name: string): void
}

/**
 * Makes a memory of the last `ttlMs` milliseconds and at most `capacity` names, of which the oldest
 * go first. Only names whose signature held belong in it: then nobody can fill it from outside.
 */
export function createSeenOnce({
  clock,
  ttlMs,
  capacity,
}: {
  readonly clock: Clock
  readonly ttlMs: number
  readonly capacity: number
}): SeenOnce {
  const seenAtMs = new Map<string, number>()

  function forget(nowMs: number): void {
    // In the order of insertion, which is the order of time.
    for (const [name, atMs] of seenAtMs) {
      if (nowMs - atMs < ttlMs && seenAtMs.size < capacity) return
      seenAtMs.delete(name)
    }
  }

  return {
    claim(name) {
      const nowMs = clock.nowMs()
      const atMs = seenAtMs.get(name)
      if (atMs !== undefined && nowMs - atMs < ttlMs) return false
      seenAtMs.delete(name)
      forget(nowMs)
      seenAtMs.set(name, nowMs)
      return true
    },
    release: (name) => void seenAtMs.delete(name),
  }
}
