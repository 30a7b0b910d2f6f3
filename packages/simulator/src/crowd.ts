import type { Policy } from '@keyturn/auth-core/signing'
import type { Random } from './random.ts'
import { ms } from './rules.ts'
import type { Timeline } from './timeline.ts'
import type { Verifier } from './verifier.ts'

/** When which verifier is busy. */
export interface Crowd {
  /** Isolates become busy for some seconds, and verifiers of all kinds look in later. */
  gather(): void
  /** Nobody begins anything new. */
  disperse(): void
}

export interface CrowdDeps {
  readonly policy: Policy
  readonly timeline: Timeline
  readonly random: Random
  readonly isolates: readonly Verifier[]
  readonly readers: readonly Verifier[]
  readonly isolateEviction: number
  visit(verifier: Verifier): Promise<void>
}

/** How many are busy at once: the others hold what they hold, for hours or days. */
const BUSY_READERS = 3
const BUSY_ISOLATES = 2
const GATHERED_ISOLATES = 10
const LATER_VISITS = 16
/** A step that is tried again and again draws no new crowd each time. */
const GATHERING_MS = 45_000

/**
 * Lets every verifier be busy in turn, in sessions that are long enough to serve from what it cached,
 * and crowds them around the moments at which keys change: random times would miss nearly all of them.
 */
export function createCrowd(deps: CrowdDeps): Crowd {
  const { policy, timeline, random, isolates, readers } = deps
  const nextReader = inTurn(readers, random)
  const nextIsolate = inTurn(isolates, random)
  const readerGapMs = ms(policy.jwksMaxAge + policy.sharedCacheAge) / 4
  let gatheredAtMs = Number.NEGATIVE_INFINITY
  let isOpen = true

  async function session(
    verifier: Verifier,
    { visits, gapMs }: { readonly visits: number; readonly gapMs: number },
  ): Promise<void> {
    for (let visit = 0; visit < visits && isOpen; visit++) {
      await deps.visit(verifier)
      await timeline.sleep(-Math.log(1 - random.next()) * gapMs)
    }
  }

  async function stayBusy(
    next: () => Verifier,
    size: { readonly visits: number; readonly gapMs: number; readonly pauseMs: number },
  ): Promise<void> {
    while (isOpen) {
      await session(busyOf(next), size)
      await timeline.sleep(random.next() * size.pauseMs)
    }
  }

  function busyOf(next: () => Verifier): Verifier {
    const verifier = next()
    if (verifier.tier === 'isolate' && random.chance(deps.isolateEviction)) verifier.evict()
    return verifier
  }

  /** From 0.1 s to the propagation window, as many in each tenfold time. */
  function laterMs(): number {
    return 100 * 10 ** (random.next() * Math.log10(policy.propagationWindow * 10))
  }

  for (let slot = 0; readers.length > 0 && slot < BUSY_READERS; slot++) {
    timeline.after(random.next() * readerGapMs, () =>
      stayBusy(nextReader, { visits: 8, gapMs: readerGapMs, pauseMs: 4 * readerGapMs }),
    )
  }
  for (let slot = 0; isolates.length > 0 && slot < BUSY_ISOLATES; slot++) {
    timeline.after(random.next() * 1_000, () =>
      stayBusy(nextIsolate, { visits: 6, gapMs: 2_000, pauseMs: 240_000 }),
    )
  }

  return {
    gather() {
      if (timeline.nowMs() - gatheredAtMs < GATHERING_MS) return
      gatheredAtMs = timeline.nowMs()
      for (let count = 0; isolates.length > 0 && count < GATHERED_ISOLATES; count++) {
        const isolate = busyOf(nextIsolate)
        timeline.after(random.next() * 3_000, () => session(isolate, { visits: 6, gapMs: 1_800 }))
      }
      for (let count = 0; count < LATER_VISITS; count++) {
        const next = readers.length === 0 || random.chance(0.5) ? nextIsolate : nextReader
        if (isolates.length > 0) timeline.after(laterMs(), () => deps.visit(next()))
      }
    },
    disperse() {
      isOpen = false
    },
  }
}

/** Everybody once, in an order of chance, and then again. */
function inTurn(all: readonly Verifier[], random: Random): () => Verifier {
  const shuffled = [...all]
  for (let index = shuffled.length - 1; index > 0; index--) {
    const other = random.int(0, index)
    const [a, b] = [shuffled[index], shuffled[other]]
    if (a && b) [shuffled[index], shuffled[other]] = [b, a]
  }
  let turn = 0
  return () => {
    const verifier = shuffled[turn % shuffled.length]
    if (!verifier) throw new TypeError('there is somebody to take turns')
    turn += 1
    return verifier
  }
}
