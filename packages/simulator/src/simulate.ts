import type { Policy } from '@keyturn/auth-core/signing'
import { installInlineCrypto } from './inline-crypto.ts'
import { createJournal } from './journal.ts'
import type { Tally, Violation } from './judge.ts'
import { createRandom } from './random.ts'
import { ms, RULES, type Rules } from './rules.ts'
import { drawScenario, HINTLESS_LAG, type Scenario } from './scenario.ts'
import { createTimeline, type Timeline } from './timeline.ts'
import { createWorld, type World } from './world.ts'

/** One run. Everything follows from these. */
export interface SimulationOptions {
  readonly seed: number | string
  /** The run ends after this many changes of the signing key. */
  readonly rotations: number
  readonly verifiers: number
  /** The run ends after this many virtual days at the latest. Default 3,650. */
  readonly days?: number | undefined
  /** Instead of a policy that is drawn from the seed. */
  readonly policy?: Partial<Policy> | undefined
  /** Changes what was drawn from the seed, such as to let one fault happen in every run. */
  adjust?(scenario: Scenario): Scenario
  /** The rules that are run. Default: as they are. */
  readonly rules?: Partial<Rules>
  onProgress?(rotations: number): void
}

/** What a run showed. */
export interface Report {
  readonly seed: number | string
  readonly scenario: Scenario
  readonly rotations: number
  readonly days: number
  readonly tally: Tally
  /** Equal for equal options. */
  readonly digest: string
  /** The first promise that was broken, and the events that led to it. */
  readonly violation?: Violation
  readonly lastEvents: readonly string[]
}

const START_MS = 1_800_000_000_000
const DAY_MS = 86_400_000

/**
 * Runs one simulation: rotations under faults until there were enough of them, and then, with every
 * fault ended, whether all verifiers come to hold the newest keys. It stops at the first broken
 * promise.
 *
 * WebCrypto of this process works in the caller's thread meanwhile, so runs go one after the other.
 */
export async function simulate(options: SimulationOptions): Promise<Report> {
  const uninstall = installInlineCrypto()
  try {
    return await run(options)
  } finally {
    uninstall()
  }
}

async function run(options: SimulationOptions): Promise<Report> {
  const { seed, rotations } = options
  const random = createRandom(seed)
  const drawn = drawScenario(random.fork('scenario'), options)
  const scenario = options.adjust?.(drawn) ?? drawn
  const timeline = createTimeline(START_MS)
  const journal = createJournal(timeline.nowMs)
  const rules = { ...RULES, ...options.rules }
  const world = await createWorld({ seed, scenario, rules, timeline, random, journal })
  const { chronicle, judge } = world
  const isOver = () => {
    options.onProgress?.(chronicle.rotations())
    return chronicle.rotations() >= rotations || judge.violation() !== undefined
  }
  await timeline.runUntil(START_MS + (options.days ?? 3_650) * DAY_MS, isOver)
  if (!judge.violation()) await converge(world, timeline, scenario.policy)
  const violation = judge.violation()
  return {
    seed,
    scenario,
    rotations: chronicle.rotations(),
    days: (timeline.nowMs() - START_MS) / DAY_MS,
    tally: judge.tally,
    digest: journal.digest(),
    ...(violation && { violation }),
    lastEvents: journal.last(),
  }
}

/** With every fault ended: M + C after the origin has the newest keys, every verifier has them. */
async function converge(world: World, timeline: Timeline, policy: Policy): Promise<void> {
  const { judge, traffic, verifiers, store } = world
  const until = (afterMs: number) =>
    timeline.runUntil(timeline.nowMs() + afterMs, () => judge.violation() !== undefined)
  world.calm()
  // A step that is under way may end, and one that was cut off is finished by the next run.
  await until(ms(300))
  world.rest()
  await until(ms(60 + HINTLESS_LAG + policy.jwksMaxAge + policy.sharedCacheAge))
  for (const [index, verifier] of verifiers.entries()) {
    timeline.after(index % 1_000, async () => {
      const verdict = await traffic.presentNewest(verifier)
      const held = verifier.source().peek()?.keySet.jwks.revision
      const { revision } = store.newest().stored
      if (verdict === 'accepted' && held === revision) return
      judge.broken('converges', `${verifier.name}: ${verdict}, ${held} of ${revision}`)
    })
  }
  await until(ms(10))
}
