import type { Clock } from '@keyturn/auth-core'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** The clocks of all machines: each wrong by its own, no two of them further apart than `e`. */
export interface Clocks {
  /** The clock of a machine somewhere, which may jump. */
  machine(): Clock
  /** The clock of a machine of one provider, whose machines differ by 0.2 s at most. */
  provider(): Clock
  /** The clock of a machine that goes on evenly, such as a database's. */
  steady(): Clock
  /** Sets one machine's clock anew. */
  jump(): void
  /** Sets every clock right. */
  correct(): void
}

const PROVIDER_SPREAD_MS = 100

/** Makes clocks that differ by at most `differenceMs`. */
export function createClocks(timeline: Timeline, random: Random, differenceMs: number): Clocks {
  const most = differenceMs / 2
  const draw = () => Math.round(random.between(-most, most))
  const sharedMs = Math.round(random.between(-1, 1) * Math.max(0, most - PROVIDER_SPREAD_MS))
  const machines: { offsetMs: number }[] = []
  let areRight = false

  return {
    machine() {
      const mine = { offsetMs: draw() }
      machines.push(mine)
      return timeline.clock(() => mine.offsetMs)
    },
    steady() {
      const offsetMs = draw()
      return timeline.clock(() => offsetMs)
    },
    provider() {
      const spreadMs = Math.min(PROVIDER_SPREAD_MS, most)
      const offsetMs = sharedMs + Math.round(random.between(-spreadMs, spreadMs))
      return timeline.clock(() => (areRight ? 0 : offsetMs))
    },
    jump() {
      if (machines.length > 0) random.pick(machines).offsetMs = draw()
    },
    correct() {
      areRight = true
      for (const one of machines) one.offsetMs = 0
    },
  }
}
