import { type Chronicle, createChronicle } from './chronicle.ts'
import { type Clocks, createClocks } from './clocks.ts'
import type { Journal } from './journal.ts'
import { createJudge, type Judge } from './judge.ts'
import { createKeyPool, type KeyPool } from './key-pool.ts'
import { createLibrary, type Library } from './library.ts'
import { createNetwork, type Network } from './network.ts'
import { createPingOffice, type PingOffice } from './ping-office.ts'
import { createPost, type Post } from './posting.ts'
import type { Random } from './random.ts'
import { ms, type Rules } from './rules.ts'
import type { Faults, Scenario } from './scenario.ts'
import type { Timeline } from './timeline.ts'

/** What a world is made of. */
export interface WorldDeps {
  readonly seed: number | string
  readonly scenario: Scenario
  readonly rules: Rules
  readonly timeline: Timeline
  readonly random: Random
  readonly journal: Journal
}

/** What all parts of a world stand on. */
export interface Ground extends WorldDeps {
  readonly faults: () => Faults
  readonly clocks: Clocks
  readonly network: Network
  readonly pool: KeyPool
  readonly library: Library
  readonly office: PingOffice
  readonly post: Post
  readonly chronicle: Chronicle
  readonly judge: Judge
  /** Until when something upstream of the hub and the readers is out of reach. */
  readonly trouble: { untilMs: number }
}

const ISSUER = 'https://issuer.example'

/** Prepares it; nothing happens yet. */
export async function prepareGround(deps: WorldDeps, faults: () => Faults): Promise<Ground> {
  const { seed, scenario, rules, timeline, random } = deps
  const pool = createKeyPool(seed)
  const office = await createPingOffice({ issuer: ISSUER, rules, pool })
  const network = createNetwork(timeline, random.fork('network'))
  const chronicle = createChronicle(timeline)
  const trouble = { untilMs: Number.NEGATIVE_INFINITY }
  return {
    ...deps,
    faults,
    clocks: createClocks(timeline, random.fork('clocks'), ms(scenario.policy.clockDifference)),
    network,
    pool,
    library: createLibrary(rules, timeline.nowMs),
    office,
    post: createPost({ timeline, random: random.fork('post'), signer: office.signer, faults }),
    chronicle,
    judge: createJudge({ ...deps, policy: scenario.policy, network, chronicle, trouble }),
    trouble,
  }
}
