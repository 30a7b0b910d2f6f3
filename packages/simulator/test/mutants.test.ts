import { describe, expect, it } from 'vitest'
import type { Rules } from '../src/rules.ts'
import type { Scenario } from '../src/scenario.ts'
import { type Report, simulate } from '../src/simulate.ts'
import { MUTANTS, type Mutant } from './mutants.ts'

const SEEDS = 24
const SIZE = { rotations: 12, verifiers: 60 }

function under({ when }: Mutant): (scenario: Scenario) => Scenario {
  return (scenario) => ({
    ...scenario,
    faults: { ...scenario.faults, ...when?.faults },
    interventions: { ...scenario.interventions, ...when?.interventions },
  })
}

/** The first run in which a promise breaks, of at most 24. */
async function findBroken(mutant: Mutant): Promise<Report | undefined> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const report = await run(mutant, seed, mutant.rules)
    if (report.violation) return report
  }
  return undefined
}

function run(mutant: Mutant, seed: number, rules: Partial<Rules>): Promise<Report> {
  return simulate({ ...SIZE, seed, rules, adjust: under(mutant) })
}

describe.each(MUTANTS)('without $name', (mutant) => {
  it('a promise breaks, and the same run keeps it with the rule', async () => {
    const broken = await findBroken(mutant)
    expect(mutant.breaks).toContain(broken?.violation?.promise)
    const { violation } = await run(mutant, Number(broken?.seed), {})
    expect(violation).toBeUndefined()
  }, 120_000)
})
