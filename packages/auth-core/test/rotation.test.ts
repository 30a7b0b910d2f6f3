import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acknowledge } from '../src/index.ts'
import {
  apply,
  currentKey,
  definePolicy,
  formatKeyring,
  gate,
  generateFreshKey,
  type Keyring,
  keysWith,
  nextKey,
  overdueBy,
  parseKeyring,
  plan,
  publishJwks,
  retireObstacles,
  type Step,
  shortestOverlap,
  shortestPropagation,
  statusOf,
} from '../src/signing.ts'
import { codeOf, NOW, sampleKeyring } from './fixtures.ts'

const policy = definePolicy()
const fresh = () => generateFreshKey('EdDSA', NOW)
const at = (now: number) => ({ policy, now })

describe('definePolicy', () => {
  it('accepts windows that are exactly long enough, and refuses one second less', async () => {
    const propagationWindow = shortestPropagation(policy)
    const overlapWindow = shortestOverlap(policy)
    expect(definePolicy({ propagationWindow, overlapWindow })).toMatchObject({ overlapWindow })
    const broken = [
      { propagationWindow: propagationWindow - 1 },
      { overlapWindow: overlapWindow - 1 },
      { accessTokenTtl: 3600 },
      { longestOutage: 3600 },
    ]
    for (const options of broken) {
      expect(await codeOf(() => definePolicy(options))).toBe('policy_invalid')
    }
  })

  it('refuses values that are no whole seconds, and members that do not exist', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, '60', null]) {
      const options = { accessTokenTtl: value } as { accessTokenTtl: number }
      expect(await codeOf(() => definePolicy(options))).toBe('policy_invalid')
    }
    expect(await codeOf(() => definePolicy({ accesTokenTtl: 5 } as object))).toBe('policy_invalid')
    expect(await codeOf(() => definePolicy({ alg: 'HS256' } as object))).toBe('policy_invalid')
    expect(await codeOf(() => definePolicy({ accessTokenTtl: 0 }))).toBe('policy_invalid')
  })
})

describe('apply', () => {
  it('stages a next key where none is, and replaces one only when told to', async () => {
    const { keyring, next } = await sampleKeyring()
    const staged = await fresh()
    expect(await codeOf(() => apply(keyring, { verb: 'stage', fresh: staged }, at(NOW)))).toBe(
      'step_refused',
    )
    const replaced = apply(keyring, { verb: 'stage', fresh: staged, replace: true }, at(NOW))
    expect(nextKey(replaced)).toBe(staged)
    expect(statusOf(replaced, next.kid)).toBeUndefined()
  })

  it('flips: next signs, current ends after the overlap window, a fresh key is next', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const staged = await fresh()
    const flipped = apply(keyring, { verb: 'flip', fresh: staged }, at(NOW))
    expect(currentKey(flipped)?.kid).toBe(next.kid)
    expect(currentKey(flipped)?.jwk.nbf).toBe(NOW)
    expect(nextKey(flipped)).toBe(staged)
    const [previous] = keysWith(flipped, 'previous')
    expect(previous?.kid).toBe(current.kid)
    expect(previous?.jwk.exp).toBe(NOW + policy.overlapWindow)
    expect(previous?.privateJwk).toEqual(current.privateJwk)
  })

  it('keeps the private half of the latest previous key only', async () => {
    const { keyring } = await sampleKeyring()
    const once = apply(keyring, { verb: 'flip', fresh: await fresh() }, at(NOW))
    const twice = apply(once, { verb: 'flip', fresh: await fresh() }, at(NOW + 10))
    expect(keysWith(twice, 'previous').map((key) => key.privateJwk !== undefined)).toEqual([
      true,
      false,
    ])
  })

  it('refuses to flip without a next key', async () => {
    const { keyring, current } = await sampleKeyring()
    const alone: Keyring = { ...keyring, keys: [current] }
    const step: Step = { verb: 'flip', fresh: await fresh() }
    expect(await codeOf(() => apply(alone, step, at(NOW)))).toBe('step_refused')
  })

  it('attack 66: retires a previous key only from its end on', async () => {
    const { keyring, current } = await sampleKeyring()
    const flipped = apply(keyring, { verb: 'flip', fresh: await fresh() }, at(NOW))
    const retire = (now: number) => apply(flipped, { verb: 'retire', kid: current.kid }, at(now))
    const end = NOW + policy.overlapWindow
    expect(await codeOf(() => retire(end - 1))).toBe('step_refused')
    expect(statusOf(retire(end), current.kid)).toBeUndefined()
    expect(await codeOf(() => apply(flipped, { verb: 'retire', kid: 'x' }, at(end)))).toBe(
      'step_refused',
    )
    const signing = currentKey(flipped)?.kid ?? ''
    expect(await codeOf(() => apply(flipped, { verb: 'retire', kid: signing }, at(end)))).toBe(
      'step_refused',
    )
  })

  it('restores while every verifier learns of it before the end that the flip wrote', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const flipped = apply(keyring, { verb: 'flip', fresh: await fresh() }, at(NOW))
    const latest = NOW + policy.overlapWindow - shortestPropagation(policy)
    const restored = apply(flipped, { verb: 'restore' }, at(latest))
    expect(currentKey(restored)?.kid).toBe(current.kid)
    expect(currentKey(restored)?.jwk.exp).toBeUndefined()
    expect(statusOf(restored, next.kid)).toBe('previous')
    expect(await codeOf(() => apply(restored, { verb: 'restore' }, at(latest)))).toBe(
      'step_refused',
    )
    expect(await codeOf(() => apply(flipped, { verb: 'restore' }, at(latest + 1)))).toBe(
      'step_refused',
    )
    expect(await codeOf(() => apply(keyring, { verb: 'restore' }, at(NOW)))).toBe('step_refused')
  })

  it('revokes the current key: next signs at once, and the kid never comes back', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const revocations = [{ kid: current.kid, at: NOW, reason: 'leaked' }]
    const staged = await fresh()
    const revoked = apply(keyring, { verb: 'revoke', revocations, fresh: [staged] }, at(NOW))
    expect(currentKey(revoked)?.kid).toBe(next.kid)
    expect(nextKey(revoked)).toBe(staged)
    expect(statusOf(revoked, current.kid)).toBe('revoked')
    const back: Step = { verb: 'stage', fresh: current, replace: true }
    expect(await codeOf(() => apply(revoked, back, at(NOW)))).toBe('step_refused')
  })

  it('revokes everything: fresh keys take both places', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const revocations = [current, next].map(({ kid }) => ({ kid, at: NOW, reason: 'all' }))
    const [first, second] = [await fresh(), await fresh()]
    const revoked = apply(keyring, { verb: 'revoke', revocations, fresh: [first, second] }, at(NOW))
    expect(currentKey(revoked)?.kid).toBe(first.kid)
    expect(nextKey(revoked)?.kid).toBe(second.kid)
    expect(publishJwks(revoked).revoked).toEqual([current.kid, next.kid].sort())
  })
})

describe('plan', () => {
  it('stages where no next key is there', async () => {
    const { keyring, current } = await sampleKeyring()
    expect(plan({ ...keyring, keys: [current] }, policy, NOW)?.verb).toBe('stage')
  })

  it('flips exactly at the rotation age, not before the propagation window', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const due = (current.jwk.nbf ?? 0) + policy.rotationAge
    expect(plan(keyring, policy, due - 1)).toBeUndefined()
    expect(plan(keyring, policy, due)).toEqual({ verb: 'flip', dueAt: due })
    const short = definePolicy({ rotationAge: 1 })
    const opens = (next.jwk.iat ?? 0) + short.propagationWindow
    expect(plan(keyring, short, opens - 1)).toBeUndefined()
    expect(plan(keyring, short, opens)?.verb).toBe('flip')
  })

  it('retires from the end of a previous key on, before it flips again', async () => {
    const { keyring, current } = await sampleKeyring()
    const flipped = apply(keyring, { verb: 'flip', fresh: await fresh() }, at(NOW))
    const end = NOW + policy.overlapWindow
    expect(plan(flipped, policy, end - 1)).toBeUndefined()
    expect(plan(flipped, policy, end)).toEqual({ verb: 'retire', kid: current.kid, dueAt: end })
  })

  it('says how long a rotation is overdue, and the key keeps signing', async () => {
    const { keyring, current } = await sampleKeyring()
    const due = (current.jwk.nbf ?? 0) + policy.rotationAge
    expect(overdueBy(keyring, policy, due)).toBe(0)
    expect(overdueBy(keyring, policy, due + 1)).toBe(1)
    expect(currentKey(keyring)?.jwk.exp).toBeUndefined()
  })
})

describe('gate', () => {
  it('opens exactly at the end of the propagation window where no edge is registered', async () => {
    const { keyring, next } = await sampleKeyring()
    const opensAt = (next.jwk.iat ?? 0) + policy.propagationWindow
    expect(await gate(keyring, { policy, edges: [], now: opensAt - 1 })).toEqual([
      { reason: 'propagation_window', opensAt },
    ])
    expect(await gate(keyring, { policy, edges: [], now: opensAt })).toEqual([])
  })

  it('waits for every edge to hold exactly this set for 5 s', async () => {
    const { keyring, next } = await sampleKeyring()
    const now = (next.jwk.iat ?? 0) + policy.propagationWindow
    const mine = publishJwks(keyring)
    const open = async (edges: Parameters<typeof gate>[1]['edges']) =>
      (await gate(keyring, { policy, edges, now })).map(({ reason }) => reason)
    const answer = async (age: number, jwks = mine) => ({
      name: 'edge',
      acknowledgement: await acknowledge(jwks, age),
    })
    expect(await open([await answer(5)])).toEqual([])
    expect(await open([await answer(4)])).toEqual(['settling'])
    expect(await open([{ name: 'edge' }])).toEqual(['no_answer'])
    expect(await open([await answer(9), { name: 'other' }])).toEqual(['no_answer'])
    const older = { ...mine, revision: keyring.revision - 1 }
    expect(await open([await answer(9, older)])).toEqual(['other_keys'])
    const fewer = { ...mine, keys: mine.keys.slice(0, 1) }
    expect(await open([await answer(9, fewer)])).toEqual(['other_keys'])
  })

  it('refuses where there is nothing to flip to', async () => {
    const { keyring, current } = await sampleKeyring()
    const obstacles = await gate({ ...keyring, keys: [current] }, { policy, edges: [], now: NOW })
    expect(obstacles).toEqual([{ reason: 'no_next_key' }])
  })
})

describe('retireObstacles', () => {
  it('waits for every issuer to have loaded a revision in which the key no longer signs', async () => {
    const { keyring } = await sampleKeyring()
    const acknowledgement = await acknowledge(publishJwks(keyring), 0)
    const late = { ...acknowledgement, revision: keyring.revision - 1 }
    expect(retireObstacles(keyring, [{ name: 'a', acknowledgement }])).toEqual([])
    expect(retireObstacles(keyring, [{ name: 'a', acknowledgement: late }])).toHaveLength(1)
    expect(retireObstacles(keyring, [{ name: 'a' }])).toHaveLength(1)
  })
})

describe('any sequence of steps', () => {
  it('keeps the invariants, and every keyring survives being stored and read', async () => {
    const { keyring: start } = await sampleKeyring()
    const verbs = fc.array(
      fc.constantFrom('stage', 'replace', 'flip', 'retire', 'restore', 'revoke'),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    const waits = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 8, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(verbs, waits, async (sequence, gaps) => {
        let keyring = start
        let now = NOW
        const seen = new Set(start.keys.map(({ kid }) => kid))
        for (const [index, verb] of sequence.entries()) {
          now += gaps[index] ?? 0
          const staged = await generateFreshKey('EdDSA', now)
          keyring = await attempt(keyring, verb, staged, now)
          expect(keysWith(keyring, 'current')).toHaveLength(1)
          expect(keysWith(keyring, 'next').length).toBeLessThanOrEqual(1)
          const published = publishJwks(keyring).keys.map(({ kid }) => kid)
          expect(published).toContain(currentKey(keyring)?.kid)
          expect(new Set(published).size).toBe(published.length)
          const stored = {
            secrets: formatKeyring(keyring),
            revision: keyring.revision,
            revoked: Object.fromEntries(
              keyring.revocations.map(({ kid, at: when, reason }) => [
                kid,
                JSON.stringify({ at: when, reason }),
              ]),
            ),
          }
          const read = await parseKeyring(stored, now)
          expect(read.notes).toEqual([])
          expect(publishJwks(read.keyring)).toEqual(publishJwks(keyring))
          seen.add(staged.kid)
        }
      }),
      { numRuns: 60, seed: 20261121 },
    )
  })
})

/** Applies a step by name, and keeps the keyring where the step is refused. */
async function attempt(
  keyring: Keyring,
  verb: string,
  staged: Awaited<ReturnType<typeof fresh>>,
  now: number,
): Promise<Keyring> {
  const kid = keysWith(keyring, 'previous').at(-1)?.kid ?? ''
  const revocations = [{ kid: currentKey(keyring)?.kid ?? '', at: now, reason: 'test' }]
  const steps: Record<string, Step> = {
    stage: { verb: 'stage', fresh: staged },
    replace: { verb: 'stage', fresh: staged, replace: true },
    flip: { verb: 'flip', fresh: staged },
    retire: { verb: 'retire', kid },
    restore: { verb: 'restore' },
    revoke: { verb: 'revoke', revocations, fresh: [staged] },
  }
  const step = steps[verb]
  if (!step) throw new TypeError(verb)
  if (verb === 'revoke' && !nextKey(keyring)) return keyring
  try {
    return apply(keyring, step, at(now))
  } catch (error) {
    expect(error).toMatchObject({ code: 'step_refused' })
    return keyring
  }
}
