import { describe, expect, it } from 'vitest'
import {
  decideRefresh,
  defineRefreshPolicy,
  endRefreshFamily,
  type RefreshDecision,
  type RefreshFamily,
  type RefreshPolicy,
  type RefreshPresentation,
  startRefreshFamily,
} from '../src/signing.ts'
import { codeOf, NOW } from './fixtures.ts'

const policy = defineRefreshPolicy()
const DAY = 86_400

const row: RefreshFamily = {
  family: 'AAECAwQFBgcICQoLDA0ODw',
  clientId: 'app',
  counter: 7,
  rotatedAt: NOW,
  expiresAt: NOW + 60 * DAY,
  bound: false,
}

const newest: RefreshPresentation = { clientId: 'app', counter: 7, authentic: true }
const previous = { ...newest, counter: 6 }

function decide(
  presentation: RefreshPresentation,
  now = NOW + 5,
  stored: RefreshFamily | undefined = row,
): RefreshDecision {
  return decideRefresh(presentation, stored, { policy, now })
}

/** What a decision answers, in short. */
function outcomeOf(...of: Parameters<typeof decide>): string {
  const decision = decide(...of)
  return decision.outcome === 'refuse' ? decision.reason : decision.outcome
}

describe('the newest token', () => {
  it('rotates: the row moves by one, and nothing else of it changes', () => {
    expect(decide(newest)).toEqual({
      outcome: 'rotate',
      next: { ...row, counter: 8, rotatedAt: NOW + 5 },
    })
  })

  it('rotates as the first one of a family too', () => {
    const started = startRefreshFamily(
      { family: row.family, clientId: 'app', bound: true },
      { policy, now: NOW },
    )
    expect(started).toEqual({
      ...row,
      counter: 1,
      bound: true,
      expiresAt: NOW + policy.absoluteTtl,
    })
    expect(outcomeOf({ ...newest, counter: 1 }, NOW, started)).toBe('rotate')
  })
})

describe('the token before the newest', () => {
  it.each([
    [false, 10],
    [true, 120],
  ])('gets the newest again within its window (bound: %s)', (bound, window) => {
    const stored = { ...row, bound }
    for (const age of [0, 1, window - 1, window]) {
      expect(decide(previous, NOW + age, stored)).toEqual({ outcome: 'repeat', newest: stored })
    }
    expect(outcomeOf(previous, NOW + window + 1, stored)).toBe('reuse')
  })

  it('gets the newest again where the clock of storage went back', () => {
    expect(outcomeOf(previous, NOW - 30)).toBe('repeat')
  })

  it('does not move the window by being repeated', () => {
    const { newest: stored } = decide(previous, NOW + 9) as { newest: RefreshFamily }
    expect(outcomeOf(previous, NOW + 11, stored)).toBe('reuse')
  })

  it('is an old one as soon as its successor was used', () => {
    const { next } = decide(newest, NOW + 1) as { next: RefreshFamily }
    expect(outcomeOf(previous, NOW + 1, next)).toBe('reuse')
  })
})

describe('anything older', () => {
  it('ends the family at once, within the window too, and raises an event', () => {
    for (const counter of [0, 1, 5]) {
      expect(decide({ ...newest, counter }, NOW + 1)).toEqual({
        outcome: 'reuse',
        next: { ...row, ended: { at: NOW + 1, reason: 'reuse' } },
        event: 'refresh.reused',
      })
    }
  })

  it('leaves a family in which no token works any more', () => {
    const { next } = decide({ ...newest, counter: 5 }) as { next: RefreshFamily }
    for (const counter of [5, 6, 7, 8]) {
      expect(outcomeOf({ ...newest, counter }, NOW + 5, next)).toBe('family_ended')
    }
  })
})

describe('a MAC that does not hold', () => {
  it('ends nothing, whatever the counter', () => {
    for (const counter of [0, 5, 6, 7, 8, 9_999_999_999]) {
      expect(decide({ ...newest, counter, authentic: false })).toEqual({
        outcome: 'refuse',
        reason: 'mac_invalid',
      })
    }
  })
})

describe('a counter above the one of the row', () => {
  it('means that storage lost writes: it is accepted, with an event', () => {
    for (const counter of [8, 9, 500]) {
      expect(decide({ ...newest, counter })).toEqual({
        outcome: 'rolled_back',
        next: { ...row, counter: counter + 1, rotatedAt: NOW + 5 },
        event: 'refresh.rolled_back',
      })
    }
  })

  it('is accepted once: then it is the token before the newest', () => {
    const { next } = decide({ ...newest, counter: 9 }, NOW) as { next: RefreshFamily }
    expect(outcomeOf({ ...newest, counter: 9 }, NOW + 10, next)).toBe('repeat')
    expect(outcomeOf({ ...newest, counter: 9 }, NOW + 11, next)).toBe('reuse')
    expect(outcomeOf({ ...newest, counter: 7 }, NOW, next)).toBe('reuse')
  })

  it('is not refused as unused for too long, which the lost writes would disprove', () => {
    const now = NOW + policy.idleTtl + 1
    expect(outcomeOf({ ...newest, counter: 8 }, now)).toBe('rolled_back')
    expect(outcomeOf(newest, now)).toBe('family_idle')
  })

  it('does not outlive the family, nor bring it back', () => {
    const above = { ...newest, counter: 8 }
    expect(outcomeOf(above, row.expiresAt)).toBe('family_expired')
    expect(outcomeOf(above, NOW, endRefreshFamily(row, 'revoked', NOW))).toBe('family_ended')
  })
})

describe('lifetimes', () => {
  it('step at the end of the family', () => {
    const stored = { ...row, rotatedAt: row.expiresAt - 5 }
    expect(outcomeOf(newest, row.expiresAt - 1, stored)).toBe('rotate')
    expect(outcomeOf(newest, row.expiresAt, stored)).toBe('family_expired')
    expect(outcomeOf(newest, row.expiresAt + 1, stored)).toBe('family_expired')
    expect(outcomeOf(previous, row.expiresAt, stored)).toBe('family_expired')
  })

  it('step at the idle lifetime', () => {
    const idleAt = NOW + policy.idleTtl
    expect(outcomeOf(newest, idleAt - 1)).toBe('rotate')
    expect(outcomeOf(newest, idleAt)).toBe('family_idle')
    expect(outcomeOf(newest, idleAt + 1)).toBe('family_idle')
  })

  it('are not moved by use, as far as the end of the family goes', () => {
    const { next } = decide(newest, NOW + DAY) as { next: RefreshFamily }
    expect(next.expiresAt).toBe(row.expiresAt)
  })
})

describe('who presents it', () => {
  it('another client gets nothing and ends nothing, but is reported', () => {
    for (const counter of [5, 6, 7, 8]) {
      expect(decide({ ...newest, counter, clientId: 'other' })).toEqual({
        outcome: 'refuse',
        reason: 'client_mismatch',
        event: 'refresh.other_client',
      })
    }
  })

  it('with a bad MAC nobody learns whose family it is', () => {
    expect(outcomeOf({ ...newest, clientId: 'other', authentic: false })).toBe('mac_invalid')
  })

  it('a family that is not there is refused without an event', () => {
    expect(decideRefresh(newest, undefined, { policy, now: NOW })).toEqual({
      outcome: 'refuse',
      reason: 'family_unknown',
    })
  })
})

describe('a family that was revoked', () => {
  const revoked = endRefreshFamily(row, 'revoked', NOW)

  it('refuses every token, and raises no event for it', () => {
    for (const counter of [5, 6, 7, 8]) {
      expect(decide({ ...newest, counter }, NOW + 1, revoked)).toEqual({
        outcome: 'refuse',
        reason: 'family_ended',
      })
    }
  })

  it('keeps its first end', () => {
    expect(endRefreshFamily(revoked, 'reuse', NOW + 9)).toEqual(revoked)
  })
})

describe('defineRefreshPolicy', () => {
  it('completes with the defaults', () => {
    expect(defineRefreshPolicy({ idleTtl: DAY })).toEqual({
      absoluteTtl: 90 * DAY,
      idleTtl: DAY,
      repeatWindow: 10,
      boundRepeatWindow: 120,
    })
  })

  it.each<[string, Partial<RefreshPolicy>, unknown]>([
    ['a member that does not exist', { grace: 10 } as Partial<RefreshPolicy>, 'policy_invalid'],
    ['a fraction', { repeatWindow: 1.5 }, 'policy_invalid'],
    ['a negative number', { repeatWindow: -1 }, 'policy_invalid'],
    ['no number', { absoluteTtl: Number.NaN }, 'policy_invalid'],
    ['no end', { absoluteTtl: Number.POSITIVE_INFINITY }, 'policy_invalid'],
    ['an idle lifetime of 0', { idleTtl: 0, repeatWindow: 0 }, 'policy_invalid'],
    ['an idle lifetime above the absolute one', { idleTtl: 11, absoluteTtl: 10 }, 'policy_invalid'],
    ['a repeat window above 300 s', { boundRepeatWindow: 301 }, 'policy_invalid'],
    ['a repeat window as long as the idle lifetime', { idleTtl: 120 }, 'policy_invalid'],
    ['an idle lifetime just above the windows', { idleTtl: 121 }, 'accepted'],
    ['an idle lifetime equal to the absolute one', { idleTtl: DAY, absoluteTtl: DAY }, 'accepted'],
    ['a repeat window of 300 s', { boundRepeatWindow: 300 }, 'accepted'],
    ['no repeat at all', { repeatWindow: 0, boundRepeatWindow: 0 }, 'accepted'],
  ])('judges %s', async (_name, options, verdict) => {
    expect(await codeOf(() => defineRefreshPolicy(options))).toBe(verdict)
  })
})
