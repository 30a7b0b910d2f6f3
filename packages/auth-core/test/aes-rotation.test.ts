import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AES_ROTATION_AGE,
  type AesKidUse,
  type AesProcess,
  type AesState,
  activationObstacles,
  aesPlan,
  applyAesStep,
  createEnvelope,
  ENCRYPTIONS_DUE,
  type EncryptionKeys,
  formatEncryptionKeys,
  generateEncryptionKey,
  parseEncryptionKeys,
  recordPrefix,
  refuseOutdatedKeys,
  removalObstacles,
  type StoredEncryptionKeys,
  WRITE_SETTLING_AGE,
} from '../src/signing.ts'
import { envelopeCodeOf, keyOf, keysOf, place } from './envelope-fixtures.ts'
import { NOW } from './fixtures.ts'

const fresh: AesKidUse = { encryptions: 10, rows: 5, activeAt: NOW }

function process(name: string, change: Partial<AesProcess> = {}): AesProcess {
  return { name, kids: ['a', 'b'], activeKid: 'a', activeKidSinceAt: NOW - 10_000, ...change }
}

function state(change: Partial<AesState> = {}): AesState {
  return { keys: keysOf('a'), uses: new Map([['a', fresh]]), processes: [], ...change }
}

describe('aesPlan: when a key is due to turn', () => {
  it('steps at 90 days', () => {
    expect(AES_ROTATION_AGE).toBe(90 * 86_400)
    for (const [step, due] of [
      [-1, []],
      [0, [{ verb: 'add', obstacles: [] }]],
      [1, [{ verb: 'add', obstacles: [] }]],
    ] as const) {
      expect(aesPlan(state(), { now: NOW + AES_ROTATION_AGE + step })).toEqual(due)
    }
  })

  it('steps at 2^31 encryptions', () => {
    for (const [step, due] of [
      [-1, 0],
      [0, 1],
      [1, 1],
    ] as const) {
      const uses = new Map([['a', { ...fresh, encryptions: ENCRYPTIONS_DUE + step }]])
      expect(aesPlan(state({ uses }), { now: NOW }).length).toBe(due)
    }
  })

  it('steps at an age of the caller', () => {
    const planAt = (now: number) => aesPlan(state(), { now, rotationAge: 60 }).length
    expect([planAt(NOW + 59), planAt(NOW + 60), planAt(NOW + 61)]).toEqual([0, 1, 1])
  })

  it('does not turn a key that no process has seen as active yet', () => {
    expect(aesPlan(state({ uses: new Map() }), { now: NOW + 10 * AES_ROTATION_AGE })).toEqual([])
  })

  it('takes a key that was added and never active, and adds none beside it', () => {
    const now = NOW + AES_ROTATION_AGE
    expect(aesPlan(state({ keys: keysOf('a', 'b') }), { now })).toEqual([
      { verb: 'activate', kid: 'b', obstacles: [] },
    ])
    expect(aesPlan(state({ keys: keysOf('a', 'b') }), { now: now - 1 })).toEqual([])
  })

  it('never takes a key that was active before', () => {
    const uses = new Map([
      ['a', fresh],
      ['b', { encryptions: 0, rows: 0, activeAt: NOW - 5 }],
    ])
    const due = aesPlan(state({ keys: keysOf('a', 'b'), uses }), { now: NOW + AES_ROTATION_AGE })
    expect(due.map(({ verb }) => verb)).toEqual(['add', 'remove'])
  })
})

describe('aesPlan: when a kid may encrypt', () => {
  it('waits for every live process to hold it, and names those that do not', () => {
    const processes = [process('one'), process('two', { kids: ['a'] }), process('three')]
    const due = aesPlan(state({ keys: keysOf('a', 'b'), processes }), {
      now: NOW + AES_ROTATION_AGE,
    })
    expect(due).toEqual([
      { verb: 'activate', kid: 'b', obstacles: [{ reason: 'not_held', name: 'two' }] },
    ])
    expect(activationObstacles('b', [process('one')])).toEqual([])
  })
})

describe('aesPlan: when a kid leaves', () => {
  const uses = (rows: number) =>
    new Map([
      ['b', { encryptions: 1, rows: 1, activeAt: NOW }],
      ['a', { encryptions: 10, rows, activeAt: NOW - 100 }],
    ])
  const turned = { activeKid: 'b', activeKidSinceAt: NOW }
  const settled = NOW + WRITE_SETTLING_AGE
  const plan = (rows: number, processes: readonly AesProcess[], now = settled) =>
    aesPlan({ keys: keysOf('b', 'a'), uses: uses(rows), processes }, { now })

  it('is rewrapped while a row is under it', () => {
    expect(plan(1, [process('one', turned)])).toEqual([{ verb: 'rewrap', kid: 'a', obstacles: [] }])
  })

  it('is removed when no row is left', () => {
    expect(plan(0, [process('one', turned)])).toEqual([{ verb: 'remove', kid: 'a', obstacles: [] }])
  })

  it('stays while a process encrypts under it', () => {
    expect(plan(0, [process('one', turned), process('two')])).toEqual([
      { verb: 'remove', kid: 'a', obstacles: [{ reason: 'still_encrypts', name: 'two' }] },
    ])
  })

  it('stays while a process may still write what it sealed before it turned', () => {
    const obstaclesAt = (now: number) => plan(0, [process('one', turned)], now)[0]?.obstacles
    expect(obstaclesAt(settled - 1)).toEqual([{ reason: 'settling', name: 'one', wait: 1 }])
    expect(obstaclesAt(settled)).toEqual([])
    expect(obstaclesAt(settled + 1)).toEqual([])
  })

  it('names every obstacle to whoever wants to remove it now', () => {
    const now = settled
    const held = { keys: keysOf('b', 'a'), uses: uses(7), processes: [process('two')] }
    expect(removalObstacles(held, 'a', now)).toEqual([
      { reason: 'rows_left', rows: 7 },
      { reason: 'still_encrypts', name: 'two' },
    ])
    expect(removalObstacles({ ...held, uses: uses(0), processes: [] }, 'a', now)).toEqual([])
  })
})

describe('applyAesStep', () => {
  const code = (keys: EncryptionKeys, ...step: [Parameters<typeof applyAesStep>[1]]) =>
    envelopeCodeOf(() => applyAesStep(keys, step[0]))

  it('adds, activates and removes, and leaves the keys before as they were', () => {
    const before = keysOf('a')
    const added = applyAesStep(before, { verb: 'add', kid: 'b', key: keyOf(2) })
    expect(added).toEqual(keysOf('a', 'b'))
    const active = applyAesStep(added, { verb: 'activate', kid: 'b' })
    expect(active).toEqual({ ...added, activeKid: 'b' })
    expect(applyAesStep(active, { verb: 'remove', kid: 'a' })).toEqual(keysOf('b'))
    expect(before).toEqual(keysOf('a'))
  })

  it('refuses what could never be right', async () => {
    expect(await code(keysOf('a'), { verb: 'add', kid: 'a', key: keyOf(9) })).toBe(
      'aes_step_refused',
    )
    expect(await code(keysOf('a'), { verb: 'activate', kid: 'b' })).toBe('aes_step_refused')
    expect(await code(keysOf('a'), { verb: 'remove', kid: 'b' })).toBe('aes_step_refused')
    expect(await code(keysOf('a', 'b'), { verb: 'remove', kid: 'a' })).toBe('aes_step_refused')
    expect(await code(keysOf('a'), { verb: 'add', kid: 'b', key: keyOf(1) })).toBe(
      'encryption_keys_invalid',
    )
    expect(await code(keysOf('a'), { verb: 'add', kid: 'b.c', key: keyOf(2) })).toBe(
      'encryption_keys_invalid',
    )
  })
})

describe('attack 61: AES keys over crashes and old copies', () => {
  it('after a cut at any step a restart opens every record, and no old copy is taken', async () => {
    const history: StoredEncryptionKeys[] = []
    const uses = new Map<string, AesKidUse>()
    const rows: string[] = []
    let stored = formatEncryptionKeys(keysOf('a'))
    let now = NOW

    async function restart() {
      const keys = parseEncryptionKeys(stored)
      refuseOutdatedKeys(keys, uses)
      const envelope = await createEnvelope(keys)
      const before = uses.get(keys.activeKid)
      rows.push(await envelope.seal(keyOf(5), place))
      uses.set(keys.activeKid, { encryptions: 1, rows: 1, activeAt: before?.activeAt ?? now })
      for (const row of rows) expect(await envelope.open(row, place)).toEqual(keyOf(5))
      return envelope
    }

    async function write(keys: EncryptionKeys) {
      history.push(stored)
      stored = formatEncryptionKeys(keys)
      now += 1
      await restart()
    }

    await restart()
    await write(applyAesStep(parseEncryptionKeys(stored), { verb: 'add', kid: 'b', key: keyOf(2) }))
    await write(applyAesStep(parseEncryptionKeys(stored), { verb: 'activate', kid: 'b' }))
    // Every copy from before the turn is refused from now on: keys that lack b, or would go back to a.
    for (const old of history) {
      const refusal = () => refuseOutdatedKeys(parseEncryptionKeys(old), uses)
      expect(await envelopeCodeOf(refusal)).toBe('encryption_keys_outdated')
    }
    const swapped = { ...stored, activeKid: 'a' }
    expect(await envelopeCodeOf(() => refuseOutdatedKeys(parseEncryptionKeys(swapped), uses))).toBe(
      'encryption_keys_outdated',
    )
    const envelope = await restart()
    for (const [index, row] of rows.entries()) {
      if (envelope.needsRewrap(row)) {
        rows[index] = await envelope.seal(await envelope.open(row, place), place)
        await restart()
      }
    }
    const under = (kid: string) => rows.filter((row) => row.startsWith(recordPrefix(kid))).length
    expect(under('a')).toBe(0)
    uses.set('a', { encryptions: 1, rows: under('a'), activeAt: NOW })
    await write(applyAesStep(parseEncryptionKeys(stored), { verb: 'remove', kid: 'a' }))
  })

  it('a kid that is missing while records stand under it is refused', async () => {
    const uses = new Map([
      ['a', { encryptions: 1, rows: 1, activeAt: NOW }],
      ['b', { encryptions: 1, rows: 1, activeAt: NOW + 1 }],
    ])
    expect(await envelopeCodeOf(() => refuseOutdatedKeys(keysOf('b'), uses))).toBe(
      'encryption_keys_outdated',
    )
    expect(await envelopeCodeOf(() => refuseOutdatedKeys(keysOf('b', 'a'), uses))).toBe('opened')
  })

  it('keys that storage has never seen are taken', async () => {
    expect(await envelopeCodeOf(() => refuseOutdatedKeys(keysOf('c'), new Map()))).toBe('opened')
    expect(await envelopeCodeOf(() => refuseOutdatedKeys(keysOf('b', 'a'), state().uses))).toBe(
      'opened',
    )
  })
})

/** Processes that load when they like, write late, and a rotator that follows the plan. */
function createFleet() {
  let now = NOW
  let stored: EncryptionKeys = { activeKid: 'k0', keys: new Map([['k0', generateEncryptionKey()]]) }
  let names = 0
  const activeAt = new Map<string, number>()
  const rows: string[] = []
  const processes = new Map<string, { keys: EncryptionKeys; sinceAt: number; silentAt?: number }>()
  const inFlight: { kid: string; by: number }[] = []

  function load(name: string) {
    const since = processes.get(name)
    const turned = since?.keys.activeKid !== stored.activeKid
    processes.set(name, { keys: stored, sinceAt: turned ? now : (since?.sinceAt ?? now) })
    if (!activeAt.has(stored.activeKid)) activeAt.set(stored.activeKid, now)
  }

  const fleetState = (): AesState => ({
    keys: stored,
    uses: new Map(
      [...activeAt].map(([kid, at]) => [
        kid,
        { encryptions: 1, rows: rows.filter((row) => row === kid).length, activeAt: at },
      ]),
    ),
    processes: [...processes].map(([name, { keys, sinceAt }]) => ({
      name,
      kids: [...keys.keys.keys()],
      activeKid: keys.activeKid,
      activeKidSinceAt: sinceAt,
    })),
  })

  function rotate() {
    const due = aesPlan(fleetState(), { now, rotationAge: 600 })
    const step = due.find(({ obstacles }) => obstacles.length === 0)
    if (step?.verb === 'add') {
      names += 1
      stored = applyAesStep(stored, { verb: 'add', kid: `k${names}`, key: generateEncryptionKey() })
    } else if (step?.verb === 'rewrap') {
      rows[rows.indexOf(step.kid)] = stored.activeKid
    } else if (step) stored = applyAesStep(stored, step)
    return step?.verb
  }

  function seal(name: string, delay: number) {
    const { keys, silentAt } = processes.get(name) ?? {}
    const kid = silentAt === undefined ? keys?.activeKid : undefined
    if (kid) inFlight.push({ kid, by: now + delay })
  }

  function pass(seconds: number) {
    now += seconds
    for (const [name, { silentAt = now }] of processes) {
      if (now >= silentAt + WRITE_SETTLING_AGE) processes.delete(name)
    }
    // Each write arrives at the last moment before its time is over.
    for (const write of inFlight.splice(0)) {
      if (write.by > now) inFlight.push(write)
      else rows.push(write.kid)
    }
  }

  function kill(name: string) {
    const process = processes.get(name)
    if (process) processes.set(name, { silentAt: now, ...process })
  }

  const unreadable = () =>
    [...processes].flatMap(([name, { keys, silentAt }]) =>
      silentAt !== undefined
        ? []
        : rows.filter((kid) => !keys.keys.has(kid)).map((kid) => `${name} cannot open ${kid}`),
    )
  const lost = () => rows.filter((kid) => !stored.keys.has(kid))

  return {
    load,
    rotate,
    seal,
    pass,
    kill,
    unreadable,
    lost,
  }
}

describe('a fleet that follows the plan', () => {
  it('reads every record in every process, at every moment', () => {
    const name = fc.constantFrom('p1', 'p2', 'p3')
    const seconds = fc.constantFrom(1, 20, 61, 600)
    const delay = fc.nat(WRITE_SETTLING_AGE - 1)
    const action = fc.oneof(
      { weight: 2, arbitrary: fc.record({ do: fc.constant('load' as const), name }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), name }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('seal' as const), name, delay }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('rotate' as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), seconds }) },
    )
    const verbs = new Set<string | undefined>()
    fc.assert(
      fc.property(fc.array(action, { minLength: 20, maxLength: 120 }), (actions) => {
        const fleet = createFleet()
        for (const one of ['p1', 'p2']) fleet.load(one)
        for (const step of actions) {
          if (step.do === 'load') fleet.load(step.name)
          if (step.do === 'kill') fleet.kill(step.name)
          if (step.do === 'seal') fleet.seal(step.name, step.delay)
          if (step.do === 'rotate') verbs.add(fleet.rotate())
          if (step.do === 'pass') fleet.pass(step.seconds)
          expect([...fleet.unreadable(), ...fleet.lost()]).toEqual([])
        }
      }),
      { seed: 11, numRuns: 2000 },
    )
    expect([...verbs].sort()).toEqual(['activate', 'add', 'remove', 'rewrap', undefined])
  })
})
