import { beforeEach, describe, expect, it } from 'vitest'
import {
  AuthError,
  type Clock,
  createKeySource,
  type KeySourceEvent,
  type KeySourceOptions,
  type LoadedKeys,
  type LoadRequest,
  type PublicJwks,
  parseJwks,
} from '../src/index.ts'
import { generateFreshKey } from '../src/signing.ts'
import { codeOf, NOW } from './fixtures.ts'

const keyA = (await generateFreshKey('EdDSA', NOW)).jwk
const keyB = (await generateFreshKey('EdDSA', NOW)).jwk
const keyC = (await generateFreshKey('EdDSA', NOW)).jwk

/** An origin whose answers and clock the test steers. */
function world(options: Partial<KeySourceOptions> = {}) {
  let nowMs = NOW * 1000
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((wake) => {
        const sleeper = { at: nowMs + ms, wake }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          wake()
        })
      }),
  }
  const origin = {
    document: { keys: [keyA], revision: 1, revoked: [] } as PublicJwks,
    error: undefined as Error | undefined,
    hang: undefined as Promise<unknown> | undefined,
    loads: [] as LoadRequest['cause'][],
  }
  const events: KeySourceEvent[] = []
  const load = async ({ cause }: LoadRequest): Promise<LoadedKeys> => {
    origin.loads.push(cause)
    const startedAtMs = nowMs
    const { document } = origin
    await origin.hang
    if (origin.error) throw origin.error
    return { jwks: parseJwks({ ...document }), asOfMs: startedAtMs, fetchedAtMs: startedAtMs }
  }
  const source = createKeySource({
    load,
    clock,
    refreshAfterMs: 2_000,
    freshForMs: 4_000,
    staleForMs: 60_000,
    cooldownMs: 1_000,
    unknownKidCooldownMs: 5_000,
    unknownKidMarginMs: 6_000,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return {
    source,
    origin,
    events,
    pass(ms: number) {
      nowMs += ms
      for (const sleeper of [...sleepers].filter(({ at }) => at <= nowMs)) {
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
    seconds: () => Math.floor(nowMs / 1000),
    resolve: (kid: string, iat: number | undefined = Math.floor(nowMs / 1000)) =>
      codeOf(() => source.resolve(kid, () => iat)),
    async settle() {
      for (let turn = 0; turn < 20; turn++) await new Promise((done) => setTimeout(done, 0))
    },
  }
}

let w = world()
beforeEach(() => {
  w = world()
})

describe('a key source', () => {
  it('loads once for many cold readers', async () => {
    const held = await Promise.all(Array.from({ length: 100 }, () => w.source.read()))
    expect(w.origin.loads).toEqual(['routine'])
    expect(new Set(held.map(({ keySet }) => keySet)).size).toBe(1)
  })

  it('serves from memory, then refreshes in the background, then waits for the refresh', async () => {
    await w.source.read()
    w.pass(1_999)
    await w.source.read()
    expect(w.origin.loads).toHaveLength(1)

    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    w.pass(1)
    expect((await w.source.read()).keySet.keys.size).toBe(1)
    await w.settle()
    expect(w.origin.loads).toHaveLength(2)
    expect((await w.source.read()).keySet.keys.size).toBe(2)

    w.origin.document = { keys: [keyB], revision: 3, revoked: [] }
    w.pass(4_000)
    expect((await w.source.read()).keySet.jwks.revision).toBe(3)
  })

  it('attack 29: replaces and never merges', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 1, revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [keyB], revision: 2, revoked: [] }
    w.pass(4_000)
    await w.source.read()
    w.pass(1_000)
    expect(await w.resolve(keyA.kid, NOW - 100)).toBe('key_unknown')
  })

  it('keeps a good set through failures, until it is stale', async () => {
    await w.source.read()
    w.origin.error = new AuthError('keys_unavailable', 'down')
    w.pass(59_999)
    expect(await w.resolve(keyA.kid)).toBe('accepted')
    w.pass(1)
    expect(await w.resolve(keyA.kid)).toBe('keys_unavailable')
    w.origin.error = undefined
    w.pass(1_000)
    expect(await w.resolve(keyA.kid)).toBe('accepted')
  })

  it('counts the cooldown on attempts, so a dead origin is not hammered', async () => {
    w.origin.error = new AuthError('keys_unavailable', 'down')
    for (let turn = 0; turn < 10; turn++) {
      expect(await w.resolve(keyA.kid)).toBe('keys_unavailable')
      w.pass(300)
    }
    expect(w.origin.loads.length).toBeLessThanOrEqual(4)
  })

  it('does not cool down until a clock that was set back has caught up', async () => {
    w.origin.error = new AuthError('keys_unavailable', 'an answer')
    expect(await codeOf(() => w.source.read())).toBe('keys_unavailable')
    w.origin.error = undefined
    w.pass(-60_000)
    expect(await w.resolve(keyA.kid)).toBe('accepted')
    expect(await w.resolve(keyB.kid)).toBe('key_undecided')
    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    w.pass(-60_000)
    expect(await w.resolve(keyB.kid)).toBe('accepted')
  })

  it('tells the cause and when to come back where there are no keys', async () => {
    w.origin.error = new AuthError('keys_unavailable', 'down', { reason: 'access_login' })
    const error = await w.source.read().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'keys_unavailable', details: { retryAfter: 1 } })
    expect((error as Error).cause).toBe(w.origin.error)
  })

  it('waits at most two seconds for a load that hangs, and then serves what it has', async () => {
    await w.source.read()
    w.pass(4_000)
    w.origin.hang = new Promise(() => undefined)
    const read = w.source.read()
    await w.settle()
    w.pass(2_000)
    expect((await read).keySet.keys.size).toBe(1)
  })

  it('ignores a load whose leader is gone, after four seconds', async () => {
    w.origin.hang = new Promise(() => undefined)
    const first = codeOf(() => w.source.read())
    await w.settle()
    w.pass(2_000)
    expect(await first).toBe('keys_unavailable')
    w.origin.hang = undefined
    w.pass(2_001)
    expect(await w.resolve(keyA.kid)).toBe('accepted')
    expect(w.origin.loads).toHaveLength(2)
  })

  it('hands every load to keepAlive, so that it outlives the request that led it', async () => {
    const kept: Promise<unknown>[] = []
    w.origin.error = new Error('reset')
    await codeOf(() => w.source.read((promise) => kept.push(promise)))
    expect(kept).toHaveLength(1)
    await expect(kept[0]).resolves.toBeUndefined()
  })
})

describe('revisions', () => {
  it('attack 31: a lower revision changes nothing and raises an alarm', async () => {
    w.origin.document = { keys: [keyB], revision: 5, revoked: [keyA.kid] }
    await w.source.read()
    w.origin.document = { keys: [keyA, keyB], revision: 4, revoked: [] }
    w.pass(4_000)
    await w.source.read()
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    expect(w.events.at(-1)).toMatchObject({ type: 'alarm', alarm: 'revision_went_back' })
  })

  it('keeps the set of a revision, unions revocations and raises an alarm', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 5, revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [keyA, keyC], revision: 5, revoked: [keyB.kid] }
    w.pass(4_000)
    const { keySet } = await w.source.read()
    expect([...keySet.keys.keys()]).toEqual([keyA.kid])
    expect(await w.resolve(keyB.kid)).toBe('key_revoked')
    expect(w.events.at(-1)).toMatchObject({ alarm: 'same_revision_other_keys' })
  })

  it('takes a revocation of the held revision without an alarm, and goes on being fresh', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 5, revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [keyA], revision: 5, revoked: [keyB.kid] }
    w.pass(4_000)
    const held = await w.source.read()
    expect(held.fetchedAtMs).toBe(held.asOfMs)
    expect(await w.resolve(keyB.kid)).toBe('key_revoked')
    expect(w.events.map(({ type }) => type)).toEqual(['loaded', 'loaded'])
    expect(held.sinceMs).toBe(held.asOfMs)
  })

  it('drops every key where a document revokes them all, and takes the keys that follow', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 5, revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [], revision: 5, revoked: [keyA.kid, keyB.kid] }
    w.pass(4_000)
    await w.source.read()
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    expect(await w.resolve(keyB.kid)).toBe('key_revoked')
    w.origin.document = { keys: [keyC], revision: 6, revoked: [keyA.kid, keyB.kid] }
    w.pass(4_000)
    await w.source.read()
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    expect(await w.resolve(keyC.kid)).toBe('accepted')
  })

  it('attack 77: refuses a revision of the future', async () => {
    w.origin.document = { keys: [keyA], revision: NOW * 1000 + 300_001, revoked: [] }
    expect(await codeOf(() => w.source.read())).toBe('keys_unavailable')
    w.origin.document = { keys: [keyA], revision: NOW * 1000 + 301_000, revoked: [] }
    w.pass(1_000)
    expect(await w.resolve(keyA.kid)).toBe('accepted')
  })

  it('attack 73: nothing un-revokes a kid', async () => {
    w.origin.document = { keys: [keyB], revision: 5, revoked: [keyA.kid] }
    await w.source.read()
    w.origin.document = { keys: [keyA, keyB], revision: 6, revoked: [] }
    w.pass(4_000)
    await w.source.read()
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    expect(await w.resolve(keyB.kid)).toBe('accepted')
  })

  it('takes a stranger key set without revisions as it comes, but not in the place of one with', async () => {
    w.origin.document = { keys: [keyA], revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [keyB], revoked: [] }
    w.pass(4_000)
    expect([...(await w.source.read()).keySet.keys.keys()]).toEqual([keyB.kid])
    w.origin.document = { keys: [keyB], revision: 9, revoked: [] }
    w.pass(4_000)
    await w.source.read()
    w.origin.document = { keys: [keyA], revoked: [] }
    w.pass(4_000)
    expect([...(await w.source.read()).keySet.keys.keys()]).toEqual([keyB.kid])
    expect(w.events.at(-1)).toMatchObject({ alarm: 'revision_missing' })
  })

  it('a revocation is immediate, and a load that began before it does not undo it', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 1, revoked: [] }
    await w.source.read()
    let release = () => {}
    w.origin.hang = new Promise<void>((done) => {
      release = done
    })
    w.pass(2_000)
    await w.source.read()
    await w.source.revoke([keyA.kid])
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    release()
    await w.settle()
    expect(await w.resolve(keyA.kid)).toBe('key_revoked')
    expect(await w.resolve(keyB.kid)).toBe('accepted')
  })

  it('a revocation survives a load that is being taken at the same moment', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const v = world()
      v.origin.document = { keys: [keyA, keyB], revision: 1, revoked: [] }
      await v.source.read()
      const loading = v.source.reload({ cause: 'ping' })
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await Promise.all([v.source.revoke([keyA.kid]), loading])
      expect(await v.resolve(keyA.kid), `after ${turns} turns`).toBe('key_revoked')
    }
  })

  it('a higher epoch replaces everything, a lower one nothing', async () => {
    const loads: LoadedKeys[] = [
      {
        jwks: parseJwks({ keys: [keyA], revision: 9, revoked: [keyB.kid] }),
        asOfMs: 0,
        fetchedAtMs: 0,
        epoch: 1,
      },
      { jwks: parseJwks({ keys: [keyB], revision: 3 }), asOfMs: 1, fetchedAtMs: 1, epoch: 2 },
      { jwks: parseJwks({ keys: [keyA], revision: 99 }), asOfMs: 2, fetchedAtMs: 2, epoch: 1 },
    ]
    const v = world({ load: () => Promise.resolve(loads.shift() as LoadedKeys) })
    for (const kid of [keyA.kid, keyB.kid, keyB.kid]) {
      const { keySet } = await v.source.reload({ cause: 'ping' })
      expect([...keySet.keys.keys()]).toEqual([kid])
      expect(keySet.revoked.size).toBe(kid === keyA.kid ? 1 : 0)
    }
  })
})

describe('unknown kids', () => {
  it('finds a key that nobody announced, with one load', async () => {
    await w.source.read()
    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    w.pass(1_000)
    expect(await w.resolve(keyB.kid)).toBe('accepted')
    expect(w.origin.loads).toEqual(['routine', 'unknown_kid'])
  })

  it('refuses without a load where the set was read after the token was issued', async () => {
    w.pass(10_000)
    await w.source.read()
    const margin = 6
    const loadedAt = w.seconds()
    expect(await w.resolve('invented', loadedAt - margin - 1)).toBe('key_unknown')
    expect(w.origin.loads).toHaveLength(1)
    expect(await w.resolve('invented', loadedAt - margin)).toBe('key_undecided')
    expect(w.origin.loads).toHaveLength(2)
  })

  it('refuses a token of the future, or without iat, without a load', async () => {
    await w.source.read()
    expect(await w.resolve('invented', w.seconds() + 7)).toBe('key_unknown')
    expect(await codeOf(() => w.source.resolve('invented', () => undefined))).toBe('key_unknown')
    expect(w.origin.loads).toHaveLength(1)
  })

  it('attack 65: a flood of invented kids costs one load per cooldown, good tokens go on', async () => {
    await w.source.read()
    for (let index = 0; index < 1_000; index++) {
      const verdict = await w.resolve(`invented-${index}`)
      expect(['key_undecided', 'key_unknown']).toContain(verdict)
      if (index % 100 === 0) expect(await w.resolve(keyA.kid)).toBe('accepted')
      w.pass(10)
    }
    const forced = w.origin.loads.filter((cause) => cause === 'unknown_kid')
    expect(forced.length).toBeLessThanOrEqual(3)
  })

  it('attack 68: an invented kid just before a rotation does not blind it to the new key', async () => {
    await w.source.read()
    expect(await w.resolve('invented')).toBe('key_undecided')
    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    w.pass(500)
    expect(await w.resolve(keyB.kid)).toBe('key_undecided')
    w.pass(4_500)
    expect(await w.resolve(keyB.kid)).toBe('accepted')
  })

  it('attack 69: a key that was removed is unknown, also while the origin fails', async () => {
    w.origin.document = { keys: [keyA, keyB], revision: 1, revoked: [] }
    await w.source.read()
    w.origin.document = { keys: [keyB], revision: 2, revoked: [] }
    w.pass(4_000)
    await w.source.read()
    w.origin.error = new Error('down')
    w.pass(10_000)
    expect(await w.resolve(keyA.kid, NOW - 100)).toBe('key_unknown')
  })
})

describe('reload', () => {
  it('never joins a load that began before it', async () => {
    let release = () => {}
    w.origin.hang = new Promise<void>((done) => {
      release = done
    })
    const cold = w.source.read()
    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    const pinged = w.source.reload({ cause: 'ping' })
    const twin = w.source.reload({ cause: 'ping' })
    await w.settle()
    release()
    expect((await cold).keySet.keys.size).toBe(1)
    expect((await pinged).keySet.keys.size).toBe(2)
    expect(await twin).toBe(await pinged)
    expect(w.origin.loads).toEqual(['routine', 'ping'])
  })

  it('has a budget of its own beside invented kids', async () => {
    await w.source.read()
    expect(await w.resolve('invented')).toBe('key_undecided')
    w.origin.document = { keys: [keyA, keyB], revision: 2, revoked: [] }
    await w.source.reload({ cause: 'ping' })
    expect(await w.resolve(keyB.kid)).toBe('accepted')
  })
})
