import type { Clock } from '@keyturn/auth-core'
import { createEventHeap, type HeapEntry } from './event-heap.ts'

/** What happens at an instant. It may wait on clocks of the timeline, and on nothing else. */
export type Happening = () => unknown

/** Virtual time: everything that happens, one after the other. Milliseconds since the epoch. */
export interface Timeline {
  /** True time, which no actor reads directly. */
  nowMs(): number
  /** Lets something happen in `delayMs` from now. */
  after(delayMs: number, happen: Happening): void
  /** Waits. */
  sleep(ms: number): Promise<void>
  /** A clock that is ahead of true time by what `offsetMs` answers at that moment. */
  clock(offsetMs: () => number): Clock
  /**
   * Lets things happen up to an instant, or until `isOver`. Between two of them every promise that
   * can go on does.
   *
   * Rejects with what the first failing happening threw.
   */
  runUntil(endMs: number, isOver?: () => boolean): Promise<void>
}

interface Entry extends HeapEntry {
  readonly happen: Happening
}

/** Makes a timeline that begins at `startMs`. */
export function createTimeline(startMs: number): Timeline {
  const heap = createEventHeap<Entry>()
  let nowMs = startMs
  let order = 0
  let failure: { readonly error: unknown } | undefined

  function after(delayMs: number, happen: Happening): void {
    order += 1
    heap.push({ atMs: nowMs + Math.max(0, Math.round(delayMs)), order, happen })
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      signal?.addEventListener('abort', () => resolve())
      after(ms, resolve)
    })
  }

  /** What a happening started goes on in microtasks: all of them are done when this resolves. */
  function settled(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  async function run(happen: Happening): Promise<void> {
    try {
      const result = happen()
      if (result instanceof Promise) {
        result.catch((error: unknown) => {
          failure ??= { error }
        })
      }
    } catch (error) {
      failure ??= { error }
    }
    await settled()
    if (failure) throw failure.error
  }

  return {
    nowMs: () => nowMs,
    after,
    sleep,
    clock: (offsetMs) => ({ nowMs: () => nowMs + offsetMs(), sleep }),
    async runUntil(endMs, isOver = () => false) {
      for (;;) {
        const next = heap.peek()
        if (!next || next.atMs > endMs || isOver()) break
        heap.pop()
        nowMs = next.atMs
        await run(next.happen)
      }
      if (!isOver()) nowMs = Math.max(nowMs, endMs)
    },
  }
}
