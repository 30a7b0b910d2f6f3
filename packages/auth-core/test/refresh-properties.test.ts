import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideRefresh,
  defineRefreshPolicy,
  formatRefreshToken,
  importRefreshSecret,
  isAuthentic,
  parseRefreshToken,
  type RefreshDecision,
  type RefreshFamily,
  startRefreshFamily,
} from '../src/signing.ts'
import { NOW } from './fixtures.ts'

const policy = defineRefreshPolicy({ absoluteTtl: 4000, idleTtl: 1000 })

/** Storage with one row, a clock, and a compare-and-set; tokens are their counters. */
function createStore(bound = false) {
  let row = startRefreshFamily({ family: 'f', clientId: 'app', bound }, { policy, now: NOW })
  let now = NOW
  const backups: RefreshFamily[] = []
  return {
    /** One request, in the steps between which others may run. It ends with its decision. */
    *request(counter: number): Generator<undefined, RefreshDecision> {
      for (;;) {
        const read = row
        const decision = decideRefresh({ clientId: 'app', counter, authentic: true }, read, {
          policy,
          now,
        })
        yield undefined
        if (!('next' in decision)) return decision
        if (row === read) {
          row = decision.next
          return decision
        }
      }
    },
    present(counter: number): RefreshDecision {
      const request = this.request(counter)
      for (;;) {
        const { done, value } = request.next()
        if (done) return value
      }
    },
    pass: (seconds: number) => {
      now += seconds
    },
    backUp: () => backups.push(row),
    restore: () => {
      row = backups.pop() ?? row
    },
    get row() {
      return row
    },
    get now() {
      return now
    },
  }
}

/** The counter of the token that a decision hands out. */
function handedOut(decision: RefreshDecision): number | undefined {
  if (decision.outcome === 'repeat') return decision.newest.counter
  if (decision.outcome === 'rotate' || decision.outcome === 'rolled_back') {
    return decision.next.counter
  }
  return undefined
}

/** The rules once more, as a history of what was used when, with no row and no counter to compare. */
function createHistory(bound: boolean) {
  const usedAt = new Map<number, number>()
  let ended = false
  const window = bound ? 120 : 10
  return (token: number, now: number): string => {
    const lastUse = Math.max(NOW, ...usedAt.values())
    if (ended) return 'family_ended'
    if (now >= NOW + 4000) return 'family_expired'
    if (now >= lastUse + 1000) return 'family_idle'
    const used = usedAt.get(token)
    if (used === undefined) {
      usedAt.set(token, now)
      return 'rotate'
    }
    if (!usedAt.has(token + 1) && now <= used + window) return 'repeat'
    ended = true
    return 'reuse'
  }
}

const clockMoves = fc.constantFrom(0, 0, 0, 1, 5, 9, 10, 11, 60, 119, 120, 121, 999, 1000, 1001)

describe('the decision over a presented refresh token', () => {
  it('follows the history of uses, for every token ever handed out and every clock', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(clockMoves, fc.integer({ min: 0, max: 3 })), { maxLength: 30 }),
        (bound, presentations) => {
          const store = createStore(bound)
          const expected = createHistory(bound)
          for (const [seconds, back] of presentations) {
            store.pass(seconds)
            const counter = Math.max(1, store.row.counter - back)
            const verdict = expected(counter, store.now)
            const decision = store.present(counter)
            seen.add(verdict)
            expect(decision.outcome === 'refuse' ? decision.reason : decision.outcome).toBe(verdict)
          }
        },
      ),
      { seed: 5, numRuns: 2000 },
    )
    expect([...seen].sort()).toEqual([
      'family_ended',
      'family_expired',
      'family_idle',
      'repeat',
      'reuse',
      'rotate',
    ])
  })

  it('gives 100 parallel uses of one token one successor, in every order of their steps', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 400, maxLength: 400 }), (picks) => {
        const store = createStore()
        const running = Array.from({ length: 100 }, () => store.request(1))
        const decisions: RefreshDecision[] = []
        for (let turn = 0; running.length > 0; turn++) {
          const at = (picks[turn % picks.length] ?? 0) % running.length
          const step = running[at]?.next()
          if (!step?.done) continue
          decisions.push(step.value)
          running.splice(at, 1)
        }
        expect(decisions.filter(({ outcome }) => outcome === 'rotate').length).toBe(1)
        expect(new Set(decisions.map(handedOut))).toEqual(new Set([2]))
        expect(store.row).toEqual({ ...store.row, counter: 2 })
        expect(store.row.ended).toBeUndefined()
      }),
      { seed: 5, numRuns: 60 },
    )
  })

  it('signs no client out that uses its newest token, or asks again in time for a lost answer', () => {
    const use = fc.record({
      /** Until the client uses its token. */
      after: fc.constantFrom(0, 1, 60, 500, 800),
      /** How long after the first try each further one comes. */
      retries: fc.array(fc.nat(10), { maxLength: 4 }),
      tabs: fc.integer({ min: 1, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(use, { maxLength: 12 }), (uses) => {
        const store = createStore()
        let held = 1
        for (const { after, retries, tabs } of uses) {
          store.pass(after)
          if (store.now + 10 >= NOW + policy.absoluteTtl) return
          const startedAt = store.now
          let answer: number | undefined
          for (const at of [0, ...retries].sort((a, b) => a - b)) {
            store.pass(startedAt + at - store.now)
            for (let tab = 0; tab < tabs; tab++) {
              const given = handedOut(store.present(held))
              expect(given).toBe(answer ?? held + 1)
              answer = given
            }
          }
          held = answer ?? held
        }
      }),
      { seed: 5, numRuns: 500 },
    )
  })

  it('catches every late replay: the thief gets nothing, and the family ends for both', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 5, 11, 300), { minLength: 2, maxLength: 20 }),
        fc.nat(),
        fc.constantFrom(0, 1, 11, 200),
        (delays, pick, wait) => {
          const store = createStore()
          for (const seconds of delays) {
            store.pass(seconds)
            expect(store.present(store.row.counter).outcome).toBe('rotate')
          }
          // Everything before the last token that was used; that one itself only when it is late.
          const oldest = store.row.counter - 1
          const stolen = 1 + (pick % (wait > 10 ? oldest : oldest - 1))
          store.pass(wait)
          fc.pre(store.now < NOW + policy.absoluteTtl)
          expect(store.present(stolen)).toMatchObject({ outcome: 'reuse', event: 'refresh.reused' })
          for (let counter = 1; counter <= store.row.counter + 1; counter++) {
            expect(store.present(counter)).toMatchObject({ reason: 'family_ended' })
          }
        },
      ),
      { seed: 5, numRuns: 1000 },
    )
  })

  it('goes on from a restored backup, with one event, and still catches replays', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        (before, lost) => {
          const store = createStore()
          for (let use = 0; use < before; use++) store.present(store.row.counter)
          store.backUp()
          for (let use = 0; use < lost; use++) store.present(store.row.counter)
          const held = store.row.counter
          store.restore()
          expect(store.row.counter).toBeLessThan(held)
          const decision = store.present(held)
          expect(decision).toMatchObject({ outcome: 'rolled_back', event: 'refresh.rolled_back' })
          expect(handedOut(decision)).toBe(held + 1)
          expect(store.present(held + 1).outcome).toBe('rotate')
          expect(store.present(held).outcome).toBe('reuse')
        },
      ),
      { seed: 5 },
    )
  })
})

describe('attack 51', () => {
  it('with real tokens: 50 parallel uses get one and the same text, and a late replay ends it', async () => {
    const key = await importRefreshSecret(new Uint8Array(32).fill(3))
    const family = 'AAECAwQFBgcICQoLDA0ODw'
    let row = startRefreshFamily({ family, clientId: 'app', bound: false }, { policy, now: NOW })
    let now = NOW

    async function refresh(text: string): Promise<string> {
      const parsed = parseRefreshToken(text)
      if (!parsed) return 'malformed'
      const authentic = await isAuthentic(parsed, key)
      for (;;) {
        const read = row
        const presentation = { clientId: 'app', counter: parsed.counter, authentic }
        const decision = decideRefresh(presentation, read, { policy, now })
        await Promise.resolve()
        const next = 'next' in decision ? decision.next : undefined
        if (next && row !== read) continue
        row = next ?? row
        const counter = handedOut(decision)
        return counter === undefined
          ? decision.outcome
          : await formatRefreshToken({ family, counter }, key)
      }
    }

    const first = await formatRefreshToken(row, key)
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(first)))
    expect(new Set(answers).size).toBe(1)
    expect(parseRefreshToken(answers[0])?.counter).toBe(2)
    now += 11
    expect(await refresh(first)).toBe('reuse')
    expect(await refresh(answers[0] ?? '')).toBe('refuse')
  })
})
