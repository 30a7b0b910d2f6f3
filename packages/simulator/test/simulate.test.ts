import { definePolicy, shortestOverlap, shortestPropagation } from '@keyturn/auth-core/signing'
import { describe, expect, it } from 'vitest'
import { describeReport } from '../src/describe.ts'
import { createRandom } from '../src/random.ts'
import { drawScenario } from '../src/scenario.ts'
import { simulate } from '../src/simulate.ts'

describe('a run', () => {
  const small = { rotations: 8, verifiers: 60 }

  it('is the same for the same seed, event by event', async () => {
    const first = await simulate({ ...small, seed: 11 })
    const second = await simulate({ ...small, seed: 11 })
    expect(second).toEqual(first)
    const other = await simulate({ ...small, seed: 12 })
    expect(other.digest).not.toBe(first.digest)
  })

  it('turns keys, accepts honest tokens and refuses the others', async () => {
    const { violation, rotations, tally } = await simulate({ ...small, seed: 3 })
    expect(violation).toBeUndefined()
    expect(rotations).toBeGreaterThanOrEqual(8)
    expect(tally.accepted).toBeGreaterThan(1_000)
    expect(tally.hostile).toBeGreaterThan(100)
    expect(tally.ended).toBeGreaterThan(0)
  })

  it('ends after its virtual days', async () => {
    const { days, rotations } = await simulate({ ...small, seed: 3, rotations: 1_000, days: 0.05 })
    expect(rotations).toBeLessThan(1_000)
    expect(days).toBeLessThan(0.1)
  })

  it('leaves the clock of the process and its WebCrypto alone', async () => {
    const before = Date.now()
    await simulate({ rotations: 1, verifiers: 4, seed: 1 })
    expect(Date.now() - before).toBeLessThan(60_000)
    expect(Object.keys(crypto.subtle)).toEqual([])
  })

  it('takes a policy in place of a drawn one, and refuses one that could cost a token', async () => {
    const { scenario } = await simulate({
      ...small,
      seed: 3,
      policy: { accessTokenTtl: 120 },
      days: 0.01,
    })
    expect(scenario.policy).toEqual(definePolicy({ accessTokenTtl: 120 }))
    const run = simulate({ ...small, seed: 3, policy: { accessTokenTtl: 3_600 } })
    await expect(run).rejects.toMatchObject({ code: 'policy_invalid' })
    expect(Object.keys(crypto.subtle)).toEqual([])
  })
})

describe('a broken run', () => {
  it('stops at once and says its seed, the promise, and what happened last', async () => {
    const report = await simulate({
      seed: 5,
      rotations: 8,
      verifiers: 60,
      rules: { denied: () => [], maySign: () => true, gate: async () => [], plan: flipAtOnce },
    })
    expect(report.violation?.promise).toBe('published_before_signing')
    const text = describeReport(report)
    expect(text).toContain('BROKEN      published_before_signing')
    expect(text).toContain('pnpm simulate --seed 5')
    expect(report.lastEvents.join()).toContain('BROKEN published_before_signing')
  })
})

const flipAtOnce = () => ({ verb: 'flip', dueAt: 0 }) as const

describe('drawn scenarios', () => {
  const scenarios = Array.from({ length: 200 }, (_, seed) =>
    drawScenario(createRandom(seed).fork('scenario'), { verifiers: 2_001 }),
  )

  it('keep both inequalities, often with no second to spare', () => {
    for (const { policy } of scenarios) {
      expect(policy.propagationWindow).toBeGreaterThanOrEqual(shortestPropagation(policy))
      expect(policy.overlapWindow).toBeGreaterThanOrEqual(shortestOverlap(policy))
    }
    const tight = scenarios.filter(
      ({ policy }) => policy.propagationWindow === shortestPropagation(policy),
    )
    expect(tight.length).toBeGreaterThan(50)
  })

  it('have every verifier, and each fault in some of them and not in others', () => {
    for (const { isolates, readers } of scenarios) expect(isolates + readers).toBe(2_001)
    const names = Object.keys(
      scenarios[0]?.faults ?? {},
    ) as (keyof (typeof scenarios)[0]['faults'])[]
    for (const name of names) {
      const present = scenarios.filter(({ faults }) => Number(faults[name]) > 0).length
      expect(present, name).toBeGreaterThan(50)
      expect(present, name).toBeLessThan(150)
    }
  })
})
