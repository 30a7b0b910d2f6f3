import { once } from 'node:events'
import { statusOf } from '@keyturn/auth-core/signing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Holder, startHolder } from './doubles.ts'
import {
  type Ended,
  initialise,
  type RunOptions,
  registerEdges,
  spawnKeyturn,
  startWorld,
  type World,
} from './world.ts'

interface KeyData {
  readonly kid: string
  readonly status: string
  readonly ends_at: string | null
}
interface StepData {
  readonly changed: boolean
  readonly revision: number
  readonly keys: readonly KeyData[]
  readonly deliveries: readonly { readonly name: string; readonly holds: boolean }[]
}

let world: World
let issuer: Holder
let edge: Holder
let log: string[]

beforeEach(async () => {
  world = await startWorld()
  const pingPublicKeys = await initialise(world)
  log = []
  issuer = await startHolder({ name: 'issuer', store: world.store, pingPublicKeys, log })
  edge = await startHolder({
    name: 'edge eu',
    store: world.store,
    pingPublicKeys,
    issuer: issuer.url,
    log,
  })
  await registerEdges(world, [{ name: 'eu', url: edge.url }])
})

afterEach(async () => {
  await edge.close()
  await issuer.close()
  await world.stop()
})

const keyturn = (args: string, options: RunOptions = {}): Promise<Ended> =>
  world.run(args.split(' '), {
    ...options,
    env: { KEYTURN_ISSUER: issuer.url, ...options.env },
  })

async function step(args: string): Promise<StepData> {
  const { code, stdout, stderr } = await keyturn(`${args} --json`)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as StepData
}

async function statuses(): Promise<Record<string, string | undefined>> {
  const { keyring } = await world.store.read()
  return Object.fromEntries(keyring.keys.map(({ kid }) => [kid, statusOf(keyring, kid)]))
}
const kidOf = async (status: string) =>
  Object.entries(await statuses()).find(([, each]) => each === status)?.[0] ?? 'none'

/** Until the windows of the short policy have passed since the last write. */
const windowPassed = () => new Promise((resolve) => setTimeout(resolve, 1_050))

describe('keys', () => {
  it('turns a key: stage is there, check holds, flip turns, retire waits for the end', async () => {
    const [current, next] = [await kidOf('current'), await kidOf('next')]
    await windowPassed()
    expect((await keyturn('keys check')).code).toBe(0)

    const flipped = await step('keys flip')
    expect(flipped.changed).toBe(true)
    expect(await statuses()).toMatchObject({ [next]: 'current', [current]: 'previous' })
    expect(flipped.deliveries.every(({ holds }) => holds)).toBe(true)

    await windowPassed()
    const retired = await step('keys retire')
    expect(retired.changed).toBe(true)
    expect(Object.keys(await statuses())).not.toContain(current)
  })

  it('pings the issuer before any edge, with the revision and digest of what was written', async () => {
    await windowPassed()
    log.length = 0
    const { revision } = await step('keys stage --replace')
    expect(log).toEqual(['issuer keys.changed', 'edge eu keys.changed'])
    expect(edge.pings.at(-1)).toMatchObject({
      type: 'keys.changed',
      data: { issuer: issuer.url, revision },
    })
  })

  it('stages nothing where a next key is there, and says since when', async () => {
    const before = await world.store.read()
    const { code, stdout } = await keyturn('keys stage')
    expect(code).toBe(0)
    expect(stdout).toMatch(/nothing to do: \S+ is the next key, staged \d{4}-/)
    expect((await world.store.read()).versions).toEqual(before.versions)
  })

  it('refuses to flip while the propagation window is open, and changes nothing', async () => {
    const before = await world.store.read()
    const { code, stderr } = await keyturn('keys flip', {
      env: { KEYTURN_POLICY: '{}' },
    })
    expect(code).toBe(3)
    expect(stderr).toMatch(/the gate opens at \d{4}-.*\(in (?:59 min|1 h)/)
    expect((await world.store.read()).versions).toEqual(before.versions)
  })

  it('refuses to flip where an edge holds other keys, by the name of the edge', async () => {
    edge.behaviour.reloads = false
    expect((await keyturn('keys stage --replace')).code).toBe(0)
    await windowPassed()
    const { code, stderr } = await keyturn('keys flip --json')
    expect(code).toBe(3)
    const { error } = JSON.parse(stderr) as { error: { code: string; obstacles: object[] } }
    expect(error.code).toBe('gate_closed')
    expect(error.obstacles).toEqual([
      { reason: 'other_keys', name: 'edge eu', revision: expect.any(Number) as number },
    ])
  })

  it('flips with --force all the same, naming who may refuse what', async () => {
    edge.behaviour.ping = 'refuse'
    const next = await kidOf('next')
    await windowPassed()
    const { code, stderr } = await keyturn('keys flip --force')
    expect(code).toBe(0)
    expect(stderr).toMatch(/forced: edge eu may refuse every new token/)
    expect((await statuses())[next]).toBe('current')
  })

  it('waits for an edge that took the keys over just now, and asks again', async () => {
    edge.behaviour.ages = [4, 60]
    await windowPassed()
    const { code, stderr } = await keyturn('keys flip')
    expect(code).toBe(0)
    expect(stderr).toMatch(/waiting 1 s until every edge has settled/)
  })

  it('treats a lost ping as a warning: the step stands', async () => {
    edge.behaviour.ping = 'refuse'
    const { code, stdout, stderr } = await keyturn('keys stage --replace')
    expect(code).toBe(0)
    expect(stdout).toMatch(/late +edge eu +has no keys yet and cannot load them \(503\)/)
    expect(stderr).toMatch(/warning: edge eu did not acknowledge/)
  })

  it('keeps a previous key until the issuer confirms that it signs no more', async () => {
    await windowPassed()
    await step('keys flip')
    await windowPassed()
    issuer.behaviour.ping = 'refuse'
    const { code, stderr } = await keyturn('keys retire')
    expect(code).toBe(3)
    expect(stderr).toMatch(/issuer did not acknowledge the keys/)
    expect(Object.values(await statuses())).toContain('previous')
  })

  it('refuses by name to retire a key that has not ended, or is not previous', async () => {
    const current = await kidOf('current')
    const { code, stderr } = await keyturn(`keys retire ${current}`)
    expect(code).toBe(3)
    expect(stderr).toContain(`kid: ${current}`)
    expect((await statuses())[current]).toBe('current')
  })

  it('restores the key before the flip, once: a second run undoes nothing', async () => {
    const current = await kidOf('current')
    await windowPassed()
    await step('keys flip')
    expect((await step('keys restore')).changed).toBe(true)
    expect((await statuses())[current]).toBe('current')
    expect((await step('keys restore')).changed).toBe(false)
    expect((await statuses())[current]).toBe('current')
  })

  it('checks live, and fails on the issuer, its JWKS and the edge by name', async () => {
    issuer.behaviour.reloads = false
    edge.behaviour.ping = 'refuse'
    await keyturn('keys stage --replace')
    const { code, stdout } = await keyturn('keys check')
    expect(code).toBe(3)
    expect(stdout).toMatch(/^ok +Infisical +current key/m)
    expect(stdout).toMatch(/^FAIL +issuer JWKS +\S+ is not published/m)
    expect(stdout).toMatch(/^FAIL +issuer JWKS +its keys differ/m)
    expect(stdout).toMatch(/^FAIL +issuer +holds other keys/m)
    expect(stdout).toMatch(/^FAIL +edge eu +has no keys yet/m)
  })

  it('does its work to the end although nobody reads its output any more', async () => {
    const before = await kidOf('next')
    const child = spawnKeyturn(['keys', 'stage', '--replace'], {
      env: { ...world.env, KEYTURN_ISSUER: issuer.url },
      cwd: world.folder,
    })
    child.stdout?.destroy()
    child.stderr?.destroy()
    const [code] = (await once(child, 'close')) as [number]
    expect(code).toBe(0)
    expect(await kidOf('next')).not.toBe(before)
    expect(edge.pings).not.toHaveLength(0)
  })

  it('finishes what an interrupted command left: the public copy and the pings', async () => {
    await world.secrets.update('/auth/public', 'public_jwks', '{"keys":[]}')
    await step('keys stage')
    const [copy, written] = await Promise.all([
      world.secrets.get('/auth/public', 'public_jwks'),
      world.secrets.get('/auth/jwt', 'public_jwks'),
    ])
    expect(copy?.value).toBe(written?.value)
    expect(edge.pings).not.toHaveLength(0)
  })

  it('ends the second of two rotators with 5, and the work of the first stands', async () => {
    await windowPassed()
    // The edge holds the second rotator up until the first is done, and then lets it go on.
    edge.behaviour.reloads = false
    edge.behaviour.ages = [2, 60]
    const second = spawnKeyturn(['keys', 'flip'], {
      env: { ...world.env, KEYTURN_ISSUER: issuer.url },
      cwd: world.folder,
    })
    let said = ''
    second.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const ended = once(second, 'close')
    await vi.waitFor(() => expect(said).toContain('until every edge has settled'), 10_000)
    const first = await keyturn('keys stage --replace')
    const between = await world.store.read()
    const [code] = (await ended) as [number]
    expect({ first: first.code, second: code }).toEqual({ first: 0, second: 5 })
    expect(said).toContain('the keyring has moved, and nothing was written')
    expect((await world.store.read()).versions).toEqual(between.versions)
  })

  it('leaves a whole keyring of one of them, however many rotators write at once', async () => {
    const ended = await Promise.all([1, 2, 3].map(() => keyturn('keys stage --replace --json')))
    for (const { code } of ended) expect([0, 5]).toContain(code)
    const winners = ended.filter(({ code }) => code === 0)
    const published = Object.keys(await statuses())
    const kids = winners.map(({ stdout }) =>
      (JSON.parse(stdout) as StepData).keys.map(({ kid }) => kid),
    )
    expect(kids).toContainEqual(published)
  })

  it('needs the issuer for every verb that writes, before it reads anything', async () => {
    for (const verb of ['stage', 'check', 'flip', 'retire', 'restore']) {
      const { code, stderr } = await world.run(['keys', verb], {
        env: { INFISICAL_SERVER_URL: 'http://127.0.0.1:9' },
      })
      expect({ verb, code }).toEqual({ verb, code: 2 })
      expect(stderr).toContain('next: set KEYTURN_ISSUER, or pass --issuer URL')
    }
  })

  it('shows the status without an issuer, and says that nobody was asked', async () => {
    const { code, stdout } = await world.run(['keys', 'status'])
    expect(code).toBe(0)
    expect(stdout).toContain('nobody was asked: KEYTURN_ISSUER is not set')
  })
})
