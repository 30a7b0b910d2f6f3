import { AuthError, systemClock } from '@keyturn/auth-core'
import { describe, expect, it } from 'vitest'
import { pollEvery } from '../src/keys/polling.ts'
import { createSeenOnce } from '../src/keys/seen-once.ts'
import { createFakeClock, createWorld, T0 } from './world.ts'

describe('reloading', () => {
  it('reads once at a time; whoever asks during a read shares the next one', async () => {
    const world = await createWorld({ loaded: false })
    let release = () => {}
    let running = 0
    let most = 0
    world.reader.answer = async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => {
        release = resolve
      })
      running--
      return world.read
    }
    const first = world.reloader.reload('poll')
    await expect.poll(() => running).toBe(1)
    const late = [1, 2, 3].map(() => world.reloader.reload('ping'))
    await systemClock.sleep(20)
    expect(world.reader.reads).toBe(1)
    release()
    await first
    await expect.poll(() => running).toBe(1)
    expect(world.reader.reads).toBe(2)
    release()
    expect((await Promise.all(late)).map(({ outcome }) => outcome)).toEqual(
      Array(3).fill('unchanged'),
    )
    expect(world.reader.reads).toBe(2)
    expect(most).toBe(1)
  })

  it('sees what was written after it was asked for, also while an older read is under way', async () => {
    const world = await createWorld()
    let release = () => {}
    const stale = world.read
    world.reader.answer = async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return stale
    }
    const running = world.reloader.reload('poll')
    await expect.poll(() => world.reader.reads).toBe(2)
    const keyring = { ...world.keyring, revision: world.keyring.revision + 7 }
    const asked = world.reloader.reload('ping')
    world.reader.answer = async () => ({ ...world.read, keyring })
    release()
    await running
    expect((await asked).outcome).toBe('changed')
    expect(world.holder.held()?.keyring.revision).toBe(keyring.revision)
  })

  it('keeps the last good keyring when a read fails, and says so', async () => {
    const world = await createWorld()
    world.reader.answer = async () => {
      throw Object.assign(new Error('the store is reachable'), { code: 'unreachable' })
    }
    const result = await world.reloader.reload('poll')
    expect(result.outcome).toBe('failed')
    expect(world.reloader.last()).toBe(result)
    expect(world.holder.held()?.signer?.jwk.kid).toBe(world.keyring.current.kid)
    expect(world.lines.join()).toContain('"code":"unreachable"')
    world.reader.answer = async () => world.read
    expect((await world.reloader.reload('poll')).outcome).toBe('unchanged')
  })

  it('refuses a broken keyring by name, and counts what is revoked beside it', async () => {
    const world = await createWorld()
    world.reader.revocations = [{ kid: world.keyring.current.kid, at: T0, reason: 'stolen' }]
    world.reader.answer = async () => {
      throw new AuthError('keyring_invalid', 'exactly one key is current')
    }
    expect((await world.reloader.reload('webhook')).outcome).toBe('failed')
    expect(world.lines.join()).toContain('exactly one key is current')
    expect(world.holder.held()?.signer?.jwk.kid).toBe(world.keyring.next.kid)
    expect(world.holder.held()?.jwks.revoked).toEqual([world.keyring.current.kid])
  })

  it('survives that the revocations cannot be read either', async () => {
    const world = await createWorld()
    world.reader.answer = async () => {
      throw new AuthError('keyring_invalid', 'exactly one key is current')
    }
    world.reader.readRevocations = async () => {
      throw new Error('gone')
    }
    expect((await world.reloader.reload('poll')).outcome).toBe('failed')
    expect(world.holder.held()?.signer).toBeDefined()
  })

  it('tells of a change once, and of nothing else', async () => {
    const revisions: number[] = []
    const world = await createWorld({ onChange: (keys) => revisions.push(keys.keyring.revision) })
    await world.reloader.reload('poll')
    world.reader.answer = async () => ({
      ...world.read,
      keyring: { ...world.keyring, revision: world.keyring.revision + 1 },
    })
    await world.reloader.reload('poll')
    await world.reloader.reload('poll')
    world.reader.answer = async () => world.read
    expect((await world.reloader.reload('poll')).outcome).toBe('went_back')
    expect(revisions).toEqual([world.keyring.revision, world.keyring.revision + 1])
  })

  it('is urgent at most once in 5 seconds', async () => {
    const world = await createWorld()
    for (let round = 0; round < 10; round++) world.reloader.reloadUrgently()
    await expect.poll(() => world.reader.reads).toBe(2)
    world.clock.set(T0 + 4)
    world.reloader.reloadUrgently()
    await systemClock.sleep(20)
    expect(world.reader.reads).toBe(2)
    world.clock.set(T0 + 5)
    world.reloader.reloadUrgently()
    await expect.poll(() => world.reader.reads).toBe(3)
  })

  it('counts each read by its trigger and outcome', async () => {
    const world = await createWorld()
    world.reader.answer = async () => {
      throw new Error('down')
    }
    await world.reloader.reload('poll')
    const text = await world.metrics.registry.metrics()
    expect(text).toContain('keyturn_reloads_total{trigger="boot",outcome="changed"} 1')
    expect(text).toContain('keyturn_reloads_total{trigger="poll",outcome="failed"} 1')
    expect(text).toContain('infisical_auth_health_check_total{outcome="ok"} 1')
    expect(text).toContain('infisical_auth_health_check_total{outcome="failed"} 1')
  })
})

describe('polling', () => {
  it('waits first, with jitter of a fifth, and stops when it is told to', async () => {
    const waits: number[] = []
    const stop = new AbortController()
    let polls = 0
    const randoms = [0, 0.5, 1]
    const clock = {
      ...createFakeClock(),
      sleep: async (ms: number) => {
        expect(waits).toHaveLength(polls)
        waits.push(Math.round(ms))
      },
    }
    const poll = async () => {
      if (++polls === 3) stop.abort()
    }
    const random = () => randoms[waits.length] ?? 0.5
    await pollEvery(60, poll, { clock, signal: stop.signal, random })
    expect(waits).toEqual([48_000, 60_000, 72_000])
  })

  it('does not poll when it was stopped during the wait', async () => {
    const stop = new AbortController()
    const clock = { ...createFakeClock(), sleep: async () => stop.abort() }
    let polls = 0
    await pollEvery(60, async () => void polls++, { clock, signal: stop.signal })
    expect(polls).toBe(0)
  })
})

describe('a memory of names', () => {
  it('counts a name once until its time has passed', () => {
    const clock = createFakeClock()
    const seen = createSeenOnce({ clock, ttlMs: 600_000, capacity: 10 })
    expect(seen.claim('a')).toBe(true)
    clock.set(T0 + 599)
    expect(seen.claim('a')).toBe(false)
    clock.set(T0 + 600)
    expect(seen.claim('a')).toBe(true)
  })

  it('is bounded, and the oldest goes first', () => {
    const seen = createSeenOnce({ clock: createFakeClock(), ttlMs: 600_000, capacity: 2 })
    for (const name of ['a', 'b', 'c']) expect(seen.claim(name)).toBe(true)
    expect(seen.claim('c')).toBe(false)
    expect(seen.claim('b')).toBe(false)
    expect(seen.claim('a')).toBe(true)
  })

  it('takes a name back', () => {
    const seen = createSeenOnce({ clock: createFakeClock(), ttlMs: 600_000, capacity: 2 })
    seen.claim('a')
    seen.release('a')
    expect(seen.claim('a')).toBe(true)
  })
})
