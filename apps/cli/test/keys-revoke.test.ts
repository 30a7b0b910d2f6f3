import { currentKey, nextKey } from '@keyturn/auth-core/signing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Holder, startHolder } from './doubles.ts'
import { type StoreProxy, startStoreProxy } from './store-proxy.ts'
import { type Ended, initialise, registerEdges, startWorld, type World } from './world.ts'

interface RevokeData {
  readonly changed: boolean
  readonly revision: number
  readonly revoked: readonly { readonly kid: string; readonly reason: string }[]
  readonly denials: readonly { readonly name: string; readonly refuses: boolean; ms: number }[]
  readonly deliveries: readonly { readonly name: string; readonly holds: boolean }[]
  readonly cached_elsewhere_seconds: number
}

let world: World
let issuer: Holder
let eu: Holder
let us: Holder
let proxy: StoreProxy
/** Every accepted ping, and every write to the store, in order. */
let log: string[]

beforeEach(async () => {
  world = await startWorld()
  const pingPublicKeys = await initialise(world)
  log = []
  proxy = await startStoreProxy(world.url, log)
  const { store } = world
  issuer = await startHolder({ name: 'issuer', store, pingPublicKeys, log })
  const edge = { store, pingPublicKeys, issuer: issuer.url, log }
  eu = await startHolder({ ...edge, name: 'edge eu' })
  us = await startHolder({ ...edge, name: 'edge us' })
  await registerEdges(world, [
    { name: 'eu', url: eu.url },
    { name: 'us', url: us.url },
  ])
})

afterEach(async () => {
  await us.close()
  await eu.close()
  await issuer.close()
  await proxy.close()
  await world.stop()
})

const revoke = (...args: string[]): Promise<Ended> =>
  world.run(['keys', 'revoke', ...args], {
    env: { KEYTURN_ISSUER: issuer.url, INFISICAL_SERVER_URL: proxy.url },
  })

async function revoked(...args: string[]): Promise<RevokeData> {
  const { code, stdout, stderr } = await revoke(...args, '--yes', '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as RevokeData
}

const keyring = async () => (await world.store.read()).keyring
const kids = async () => {
  const { keys } = await keyring()
  const [current = '', next = ''] = keys.map(({ kid }) => kid)
  return { current, next }
}
const entry = (kid: string) => `POST /api/v3/secrets/raw/${kid}`
const STEP = 'PATCH /api/v3/secrets/batch/raw'
const COPY = 'PATCH /api/v3/secrets/raw/public_jwks'
const leak = ['--reason', 'a leak'] as const

/** A propagation window of one second has passed since the next key was staged. */
const windowPassed = () => new Promise((resolve) => setTimeout(resolve, 1_050))

describe('keys revoke', () => {
  it('tells everybody, then lists the kid, then writes the step, then tells of the new keys', async () => {
    const { current } = await kids()
    await windowPassed()
    await revoked(current, ...leak)
    const everybody = ['issuer', 'edge eu', 'edge us']
    expect(log.slice(0, 3).sort()).toEqual(everybody.map((name) => `${name} keys.revoked`).sort())
    expect(log.slice(3, 6)).toEqual([entry(current), STEP, COPY])
    expect(log[6]).toBe('issuer keys.changed')
    expect(log.slice(7).sort()).toEqual(['edge eu keys.changed', 'edge us keys.changed'])
  })

  it('names the kid and the revision of the keyring in a ping that the issuer is named in', async () => {
    const { current } = await kids()
    const { revision } = await keyring()
    await windowPassed()
    await revoked(current, ...leak)
    for (const holder of [issuer, eu, us]) {
      expect(holder.pings[0]).toEqual({
        type: 'keys.revoked',
        data: { issuer: issuer.url, revision, kids: [current] },
      })
    }
  })

  it('lets next sign in place of the current key, and stages a fresh one', async () => {
    const { current, next } = await kids()
    await windowPassed()
    const data = await revoked(current, ...leak)
    const after = await keyring()
    expect(currentKey(after)?.kid).toBe(next)
    expect([current, next]).not.toContain(nextKey(after)?.kid)
    expect(after.keys).toHaveLength(2)
    expect(after.revocations).toMatchObject([{ kid: current, reason: 'a leak' }])
    expect(data).toMatchObject({ changed: true, revoked: [{ kid: current, reason: 'a leak' }] })
    expect(data.deliveries.every(({ holds }) => holds)).toBe(true)
    const copy = await world.secrets.get('/auth/public', 'public_jwks')
    expect(copy?.value).not.toContain(current)
  })

  it('puts a fresh key in place of a next key, and the current one signs on', async () => {
    const { current, next } = await kids()
    await revoked(next, ...leak)
    const after = await keyring()
    expect(currentKey(after)?.kid).toBe(current)
    expect(nextKey(after)).toBeDefined()
    expect(nextKey(after)?.kid).not.toBe(next)
  })

  it('takes a previous key out, and current and next stay', async () => {
    const { current: previous, next: current } = await kids()
    await windowPassed()
    const flipped = await world.run(['keys', 'flip'], { env: { KEYTURN_ISSUER: issuer.url } })
    expect(flipped.code).toBe(0)
    const before = nextKey(await keyring())?.kid
    await revoked(previous, ...leak)
    const after = await keyring()
    expect([currentKey(after)?.kid, nextKey(after)?.kid]).toEqual([current, before])
    expect(after.keys).toHaveLength(2)
  })

  it('warns where the next key is too young for every verifier to know it', async () => {
    const { current } = await kids()
    const { code, stderr } = await world.run(['keys', 'revoke', current, ...leak, '--yes'], {
      env: { KEYTURN_ISSUER: issuer.url, KEYTURN_POLICY: '{}' },
    })
    expect(code).toBe(0)
    expect(stderr).toMatch(/warning: verifiers that cache the key set may refuse every new token/)
  })

  it('says how long each took, and warns by name where somebody may go on accepting', async () => {
    const { current } = await kids()
    us.behaviour.ping = 'refuse'
    const { code, stderr } = await revoke(current, ...leak, '--yes')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^issuer: refuses it, told in \d+ ms$/m)
    expect(stderr).toMatch(/^edge eu: refuses it, told in \d+ ms$/m)
    expect(stderr).toMatch(/warning: not known to refuse it .*: edge us \(has no keys yet/)
  })

  it('counts an edge that does not know the key as one that refuses it', async () => {
    us.behaviour.reloads = false
    const env = { KEYTURN_ISSUER: issuer.url }
    expect((await world.run(['keys', 'stage', '--replace'], { env })).code).toBe(0)
    const unknown = nextKey(await keyring())?.kid ?? ''
    const { code, stdout } = await revoke(unknown, ...leak, '--yes', '--json')
    expect(code).toBe(0)
    const { denials } = JSON.parse(stdout) as RevokeData
    expect(denials.every(({ refuses }) => refuses)).toBe(true)
  })
})

describe('keys revoke --all', () => {
  it('revokes every key, makes two fresh ones, and says who refuses their tokens how long', async () => {
    const { current, next } = await kids()
    const { code, stdout, stderr } = await world.run(
      ['keys', 'revoke', '--all', ...leak, '--yes'],
      { env: { KEYTURN_ISSUER: issuer.url, KEYTURN_POLICY: '{}' } },
    )
    expect(code).toBe(0)
    expect(stderr).toContain(
      'warning: caches elsewhere (plain readers of the JWKS, max-age 5 min) refuse every new token for up to 6 min',
    )
    expect(stdout).toContain('lets old tokens pass for up to 6 min')
    const after = await keyring()
    expect(after.revocations.map(({ kid }) => kid).sort()).toEqual([current, next].sort())
    expect(after.keys).toHaveLength(2)
    expect(currentKey(after)?.privateJwk).toBeDefined()
    expect(nextKey(after)?.privateJwk).toBeDefined()
    expect(eu.pings[0]).toMatchObject({ type: 'keys.revoked', data: { kids: [current, next] } })
  })
})

describe('keys revoke refuses', () => {
  const nothingHappened = async (run: () => Promise<Ended>): Promise<Ended> => {
    const before = await world.store.read()
    const ended = await run()
    expect(log).toEqual([])
    expect(await world.store.read()).toEqual(before)
    return ended
  }

  it('a kid that is not in the keyring, and lists those that are', async () => {
    const { current, next } = await kids()
    const { code, stderr } = await nothingHappened(() => revoke('nobody', ...leak, '--yes'))
    expect(code).toBe(3)
    expect(stderr).toContain('error: there is no key nobody, and nothing changed')
    expect(stderr).toContain(`there is ${current} (current)`)
    expect(stderr).toContain(`there is ${next} (next)`)
  })

  it('the current key where no next one is there, and names --all', async () => {
    const { current, next } = await kids()
    const { public_jwks: text = '' } = await jwtSecrets()
    const { keys } = JSON.parse(text) as { keys: { kid: string }[] }
    const left = JSON.stringify({ keys: keys.filter(({ kid }) => kid !== next) })
    const values = { public_jwks: left, next_private_key: '{}' }
    await world.secrets.updateMany('/auth/jwt', values)
    const { code, stderr } = await nothingHappened(() => revoke(current, ...leak, '--yes'))
    expect(code).toBe(3)
    expect(stderr).toContain(`${current} signs, and no next key is there`)
    expect(stderr).toContain('next: keyturn keys revoke --all')
    expect((await revoke('--all', ...leak, '--yes')).code).toBe(0)
  })

  it('to go on without a terminal and without --yes', async () => {
    const { current } = await kids()
    const { code, stderr } = await nothingHappened(() => revoke(current, ...leak))
    expect(code).toBe(2)
    expect(stderr).toContain('error: nobody can confirm it: this is no terminal')
    expect(stderr).toContain('next: pass --yes')
  })

  it.each([
    [['--yes', ...leak], 'no key is named'],
    [['some-kid', '--all', '--yes', ...leak], 'name a key, or pass --all, but not both'],
    [['--all', '--yes', '--reason', ' '], 'a reason is at least one word'],
    [['--all', '--yes'], "required option '--reason <text>' not specified"],
  ])('%j as incomplete', async (args, words) => {
    const { code, stderr } = await nothingHappened(() => revoke(...args))
    expect(code).toBe(2)
    expect(stderr).toContain(words)
  })

  async function jwtSecrets(): Promise<Record<string, string>> {
    const found = await world.secrets.list('/auth/jwt')
    return Object.fromEntries(found.map(({ name, value }) => [name, value]))
  }
})

describe('keys revoke, cut off', () => {
  it('says that the pings went out and lapse, and what to run, where the store is gone', async () => {
    const { current } = await kids()
    await windowPassed()
    proxy.onWrite = () => false
    const { code, stderr } = await revoke(current, '--reason', "it's out", '--yes')
    expect(code).toBe(4)
    expect(stderr).toContain('error: the revocation went out, and is not known to be in Infisical')
    expect(stderr).toContain(`issuer, edge eu, edge us refuse ${current} from now on`)
    expect(stderr).toMatch(/this lapses with the next change .* unless \/auth\/revoked confirms it/)
    const again = `next: keyturn keys revoke ${current} --reason 'it'\\''s out'`
    expect(stderr).toContain(again)
    expect((await keyring()).revocations).toEqual([])

    proxy.onWrite = () => true
    expect((await revoked(current, ...leak)).changed).toBe(true)
    expect((await keyring()).revocations).toMatchObject([{ kid: current }])
  })

  it('says that the revocation stands where only the step failed, and finishes it when run again', async () => {
    const { current, next } = await kids()
    proxy.onWrite = (write) => write !== STEP
    const first = await revoke(current, ...leak, '--yes', '--json')
    expect(first.code).toBe(4)
    const { error } = JSON.parse(first.stderr.split('\n').at(-2) ?? '') as {
      error: { message: string; stored: boolean; why: string[]; next: string[] }
    }
    expect(error.stored).toBe(true)
    expect(error.message).toMatch(/the revocation stands/)
    expect(error.next).toEqual([`keyturn keys revoke ${current} --reason 'a leak'`])

    proxy.onWrite = () => true
    log.length = 0
    const again = await revoke(current, '--reason', 'another', '--yes', '--json')
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({
      changed: true,
      revoked: [{ kid: current, reason: 'a leak' }],
    })
    expect(log).toContain('edge eu keys.revoked')
    expect(log).not.toContain(entry(current))
    const after = await keyring()
    expect(after.keys.map(({ kid }) => kid)).toEqual([next, nextKey(after)?.kid])
    expect(currentKey(after)?.kid).toBe(next)
  })

  it('finishes a cut-off --all by one of its kids, and revokes no fresh key', async () => {
    const { current, next } = await kids()
    proxy.onWrite = (write) => write !== STEP
    const first = await revoke('--all', ...leak, '--yes')
    expect(first.code).toBe(4)
    expect(currentKey(await keyring())).toBeUndefined()
    expect(first.stderr).toContain(`next: keyturn keys revoke ${current} --reason 'a leak'`)

    proxy.onWrite = () => true
    const { code } = await revoke(current, ...leak, '--yes')
    expect(code).toBe(0)
    const after = await keyring()
    expect(currentKey(after)).toBeDefined()
    expect(nextKey(after)).toBeDefined()
    expect(after.revocations.map(({ kid }) => kid).sort()).toEqual([current, next].sort())
  })

  it('ends with 5 where somebody writes at the same time, and the revocation stands', async () => {
    const { current } = await kids()
    await windowPassed()
    proxy.onWrite = async (write) => {
      if (write !== STEP) return true
      const other = ['keys', 'stage', '--replace']
      return (await world.run(other, { env: { KEYTURN_ISSUER: issuer.url } })).code === 0
    }
    const { code, stderr } = await revoke(current, ...leak, '--yes')
    expect(code).toBe(5)
    expect(stderr).toContain(`/auth/revoked holds ${current}: every reader refuses it`)
    expect((await keyring()).revocations).toMatchObject([{ kid: current }])

    proxy.onWrite = () => true
    expect((await revoke(current, ...leak, '--yes')).code).toBe(0)
    const after = await keyring()
    expect(after.keys.map(({ kid }) => kid)).not.toContain(current)
    expect(currentKey(after)).toBeDefined()
    expect(nextKey(after)).toBeDefined()
  })

  it('does nothing where the key is revoked already but tell everybody and mend the copy', async () => {
    const { current } = await kids()
    await windowPassed()
    await revoked(current, ...leak)
    await world.secrets.update('/auth/public', 'public_jwks', '{"keys":[]}')
    log.length = 0
    const again = await revoked(current, '--reason', 'another')
    expect(again).toMatchObject({ changed: false, revoked: [{ kid: current, reason: 'a leak' }] })
    expect(log[0]).toBe(COPY)
    expect(log.slice(1).sort()).toEqual([
      'edge eu keys.changed',
      'edge us keys.changed',
      'issuer keys.changed',
    ])
  })

  it('tells everybody again where somebody wrote meanwhile, so that nothing lapses', async () => {
    const { current, next } = await kids()
    await windowPassed()
    proxy.onWrite = async (write) => {
      if (write !== entry(current)) return true
      const other = ['keys', 'stage', '--replace']
      return (await world.run(other, { env: { KEYTURN_ISSUER: issuer.url } })).code === 0
    }
    const { revision } = await keyring()
    const { code } = await revoke(current, ...leak, '--yes')
    expect(code).toBe(0)
    const types = log.filter((line) => !line.startsWith('issuer') && !line.startsWith('edge us'))
    expect(types).toEqual([
      'edge eu keys.revoked',
      'edge eu keys.changed',
      entry(current),
      'edge eu keys.revoked',
      STEP,
      COPY,
      'edge eu keys.changed',
    ])
    const revisions = eu.pings
      .filter(({ type }) => type === 'keys.revoked')
      .map((ping) => ping.data.revision)
    expect(revisions[0]).toBe(revision)
    expect(revisions[1]).toBeGreaterThan(revision)
    const after = await keyring()
    expect(after.keys.map(({ kid }) => kid)).not.toContain(next)
    expect(after.revocations).toMatchObject([{ kid: current }])
  })
})
