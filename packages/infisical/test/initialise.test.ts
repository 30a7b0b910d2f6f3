import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AlgorithmName } from '@keyturn/auth-core'
import { currentKey, generateFreshKey, nextKey } from '@keyturn/auth-core/signing'
import { type InfisicalDev, seedProject, startInfisicalDev } from '@keyturn/infisical-dev'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  FOLDERS,
  InfisicalError,
  initialiseLayout,
  type Secrets,
} from '../src/index.ts'

const now = Math.floor(Date.now() / 1000)
const ALL = ['read', 'create', 'edit', 'delete'] as const

let folder: string
let dev: InfisicalDev
let projects = 0
let secrets: Secrets
const closing: (() => void)[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-initialise-'))
  dev = await startInfisicalDev({ dataDir: folder, webhookDelayMs: 60_000 })
})
afterAll(async () => {
  for (const close of closing) close()
  await dev.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  projects += 1
  const { projectId, identities } = await seedProject(dev.url, dev.adminToken, {
    projectName: `journal ${projects}`,
    slug: `journal-${projects}`,
    identities: [
      {
        name: 'rotator@ops',
        privileges: [{ environment: 'prod', paths: ['/', '/auth', '/auth/**'], actions: ALL }],
      },
    ],
  })
  const { clientId = '', clientSecret = '' } = identities['rotator@ops'] ?? {}
  const session = createSession({
    transport: createTransport({ siteUrl: dev.url }),
    credentials: { method: 'universal-auth', clientId, clientSecret },
  })
  closing.push(() => session.close())
  secrets = createSecrets({ session, projectId, environment: 'prod' })
})

const run = (edges?: readonly { name: string; url: string }[]) =>
  initialiseLayout({ secrets, alg: 'EdDSA', now, ...(edges && { edges }) })
const read = () => createKeyringStore({ secrets, nowSeconds: () => now }).read()
const everything = async () =>
  (await secrets.list('/auth', { recursive: true })).map(
    ({ path, name, value, version }) => `${path}/${name} ${version} ${value}`,
  )
const privateJwk = async (alg: AlgorithmName = 'EdDSA') =>
  JSON.stringify((await generateFreshKey(alg, now)).privateJwk)

async function put(path: string, values: Readonly<Record<string, string>>): Promise<void> {
  await secrets.ensureFolder(path)
  for (const [name, value] of Object.entries(values)) await secrets.create(path, name, value)
}

describe('initialiseLayout', () => {
  it('creates every folder and slot of an empty project', async () => {
    const { created, updated, keyring, pingPublicKey, webhookSecret } = await run()
    expect(created).toEqual([
      ...Object.values(FOLDERS),
      ...['current_private_key', 'next_private_key', 'previous_private_key', 'public_jwks'].map(
        (name) => `/auth/jwt/${name}`,
      ),
      '/auth/public/public_jwks',
      '/auth/aes/enc_keys',
      '/auth/aes/active_kid',
      '/auth/edge/edges',
      '/auth/edge/ping_private_key',
      '/auth/edge/webhook_secret',
    ])
    expect(updated).toEqual([])
    expect(currentKey(keyring)?.jwk).toMatchObject({ iat: now, nbf: now })
    expect(nextKey(keyring)?.jwk.nbf).toBeUndefined()
    expect(pingPublicKey).toMatch(/^whpk_/)
    expect(Buffer.from(webhookSecret, 'base64url')).toHaveLength(32)
    expect((await secrets.get('/auth/jwt', 'previous_private_key'))?.value).toBe('{}')
  })

  it('makes one AES key of 256 bit, and names it as the active one', async () => {
    await run()
    const [active, keys] = await Promise.all([
      secrets.get('/auth/aes', 'active_kid'),
      secrets.get('/auth/aes', 'enc_keys'),
    ])
    const parsed = JSON.parse(keys?.value ?? '') as Record<string, string>
    expect(Object.keys(parsed)).toEqual([active?.value])
    expect(Buffer.from(parsed[active?.value ?? ''] ?? '', 'base64')).toHaveLength(32)
  })

  it('changes nothing the second time', async () => {
    const first = await run([{ name: 'eu', url: 'https://eu.example' }])
    const before = await everything()
    const second = await run([{ name: 'eu', url: 'https://eu.example' }])
    expect({ created: second.created, updated: second.updated }).toEqual({
      created: [],
      updated: [],
    })
    expect(await everything()).toEqual(before)
    expect(second.pingPublicKey).toBe(first.pingPublicKey)
  })

  it.each(['/auth/public/public_jwks', '/auth/edge/ping_private_key', '/auth/edge/edges'])(
    'completes a first run that was cut off before %s',
    async (path) => {
      const first = await run()
      const at = path.lastIndexOf('/')
      await secrets.remove(path.slice(0, at), path.slice(at + 1))
      const { created, updated, keyring } = await run()
      expect({ created, updated }).toEqual({ created: [path], updated: [] })
      expect(keyring).toEqual(first.keyring)
    },
  )

  it('adds edges by name and changes their URL, and leaves the others', async () => {
    await run([
      { name: 'eu', url: 'https://old.example' },
      { name: 'us', url: 'https://us.example' },
    ])
    const { edges, updated } = await run([{ name: 'eu', url: 'https://new.example' }])
    expect(updated).toEqual(['/auth/edge/edges'])
    expect(edges).toEqual([
      { name: 'eu', url: 'https://new.example' },
      { name: 'us', url: 'https://us.example' },
    ])
  })

  it.each(['EdDSA', 'ES256', 'RS256', 'ML-DSA-44'] as const)(
    'derives the public set from private %s keys that are there, and keeps them',
    async (alg) => {
      const [current, next] = [await privateJwk(alg), await privateJwk(alg)]
      await put('/auth/jwt', { current_private_key: current, next_private_key: next })
      const { keyring } = await run()
      expect(currentKey(keyring)?.privateJwk).toEqual(JSON.parse(current))
      expect(nextKey(keyring)?.privateJwk).toEqual(JSON.parse(next))
      expect((await secrets.get('/auth/jwt', 'current_private_key'))?.value).toBe(current)
      expect((await read()).notes).toEqual([])
    },
  )

  it('takes a current key in PKCS#8 PEM, and stages a next one', async () => {
    const pem = generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
    await put('/auth/jwt', { current_private_key: pem })
    const { keyring, updated } = await run()
    expect(currentKey(keyring)?.privateJwk).toMatchObject({ kty: 'OKP', crv: 'Ed25519' })
    expect(nextKey(keyring)?.jwk.iat).toBe(now)
    expect(updated).toContain('/auth/jwt/next_private_key')
  })

  it.each([
    ['a next key without a current one', '/auth/jwt/current_private_key', { next_private_key: 1 }],
    [
      'a previous key whose end nobody knows',
      '/auth/jwt/public_jwks',
      { current_private_key: 1, previous_private_key: 1 },
    ],
  ])('refuses by name what cannot be derived: %s', async (_what, name, slots) => {
    for (const slot of Object.keys(slots)) await put('/auth/jwt', { [slot]: await privateJwk() })
    const before = await secrets.list('/auth/jwt')
    const refused = await run().catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(InfisicalError)
    expect(refused).toMatchObject({ code: 'invalid_config' })
    expect((refused as InfisicalError).message).toContain(name)
    expect(await secrets.list('/auth/jwt')).toEqual(before)
  })

  it('refuses a keyring that breaks an invariant, and writes nothing over it', async () => {
    await run()
    await secrets.update('/auth/jwt', 'current_private_key', await privateJwk())
    const before = await secrets.list('/auth/jwt')
    await expect(run()).rejects.toMatchObject({ code: 'keyring_invalid' })
    expect(await secrets.list('/auth/jwt')).toEqual(before)
  })

  it('names the one AES key as active where only its kid is missing', async () => {
    await put('/auth/aes', { enc_keys: '{"only":"AAAA"}' })
    await run()
    expect((await secrets.get('/auth/aes', 'active_kid'))?.value).toBe('only')
    expect((await secrets.get('/auth/aes', 'enc_keys'))?.value).toBe('{"only":"AAAA"}')
  })

  it.each([
    [{ active_kid: 'gone' }, '/auth/aes/enc_keys'],
    [{ active_kid: 'gone', enc_keys: '{"other":"AAAA"}' }, '/auth/aes/active_kid'],
    [{ enc_keys: '{"a":"AAAA","b":"AAAA"}' }, '/auth/aes/active_kid'],
  ])('refuses AES slots that do not fit together: %j', async (slots, name) => {
    await put('/auth/aes', slots as Record<string, string>)
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining(name) as string,
    })
  })

  it('keeps one keyring whole where two run at once', async () => {
    const ended = await Promise.allSettled([run(), run()])
    const failed = ended.filter((each) => each.status === 'rejected')
    for (const { reason } of failed) {
      expect(['conflict', 'moved']).toContain((reason as InfisicalError).code)
    }
    const { keyring } = await run()
    expect(keyring.keys).toHaveLength(2)
  })
})
