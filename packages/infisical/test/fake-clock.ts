import type { Clock } from '@keyturn/auth-core'
import type { Schedule } from '../src/index.ts'

/** A clock that stands still until it is moved, and the timers that wait for it. */
export interface FakeClock extends Clock {
  readonly schedule: Schedule
  /** Milliseconds that were slept, in order: a sleep moves the clock at once. */
  readonly slept: readonly number[]
  /** Instants, in milliseconds, at which timers are due. */
  due(): readonly number[]
  /** Moves the clock and runs what has become due on the way. */
  advance(ms: number): void
}

export function createFakeClock(startMs = Date.parse('2026-11-21T12:00:00Z')): FakeClock {
  let nowMs = startMs
  let timers: readonly { readonly atMs: number; readonly task: () => void }[] = []
  const slept: number[] = []

  function advance(ms: number): void {
    const endMs = nowMs + ms
    for (;;) {
      const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0]
      if (!next || next.atMs > endMs) break
      timers = timers.filter((timer) => timer !== next)
      nowMs = Math.max(nowMs, next.atMs)
      next.task()
    }
    nowMs = endMs
  }

  return {
    nowMs: () => nowMs,
    slept,
    due: () => timers.map(({ atMs }) => atMs),
    advance,
    async sleep(ms, signal) {
      if (signal?.aborted) return
      slept.push(ms)
      nowMs += ms
    },
    schedule(ms, task) {
      const timer = { atMs: nowMs + ms, task }
      timers = [...timers, timer]
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
  }
}
