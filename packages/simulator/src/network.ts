import { AuthError } from '@keyturn/auth-core'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** The ways between the parts, each of which may be down for a while. */
export interface Network {
  /** Takes a request over the way named. @throws {AuthError} `keys_unavailable` where it is down */
  cross(link: string): Promise<void>
  cut(link: string, forMs: number): void
  isUp(link: string): boolean
  /** Whether the way was down at any time of the last `withinMs`. */
  wasDown(link: string, withinMs: number): boolean
  /** Repairs everything. */
  heal(): void
}

/** How long a request waits for a way that swallows it. */
const HANG_MS = 3_000

/** Makes a network without any fault. A way that is down refuses at once, or hangs for 3 s. */
export function createNetwork(timeline: Timeline, random: Random): Network {
  const downUntilMs = new Map<string, number>()

  const isUp = (link: string) => (downUntilMs.get(link) ?? 0) <= timeline.nowMs()

  return {
    isUp,
    async cross(link) {
      const latencyMs = random.between(5, 120)
      if (!isUp(link)) {
        await timeline.sleep(random.chance(0.5) ? latencyMs : HANG_MS)
        throw new AuthError('keys_unavailable', 'the way is up', { reason: 'unreachable', link })
      }
      await timeline.sleep(latencyMs)
    },
    cut(link, forMs) {
      const untilMs = Math.max(downUntilMs.get(link) ?? 0, timeline.nowMs() + forMs)
      downUntilMs.set(link, untilMs)
    },
    wasDown: (link, withinMs) => (downUntilMs.get(link) ?? 0) > timeline.nowMs() - withinMs,
    heal() {
      for (const [link, untilMs] of downUntilMs) {
        downUntilMs.set(link, Math.min(untilMs, timeline.nowMs()))
      }
    },
  }
}
