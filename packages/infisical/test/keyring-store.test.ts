import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  apply,
  currentKey,
  definePolicy,
  generateFreshKey,
  keysWith,
  nextKey,
} from '@keyturn/auth-core/signing'
import {
  type InfisicalDev,
  type SeededProject,
  seedProject,
  startInfisicalDev,
} from '@keyturn/infisical-dev'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  initialiseLayout,
  type KeyringStore,
  type Secrets,
  type Session,
} from '../src/index.ts'

const ENVIRONMENT = 'prod'
const policy = definePolicy()

let dataDir: string
let server: InfisicalDev
let project: SeededProject
let session: Session
let secrets: Secrets
let store: KeyringStore

const nowSeconds = () => Math.floor(Date.now() / 1000)

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keyturn-store-'))
  server = await startInfisicalDev({ dataDir })
  project = await seedProject(server.url, server.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [
      {
        name: 'rotator@ops',
        privileges: [
          {
            environment: ENVIRONMENT,
            paths: ['/auth/**'],
            actions: ['read', 'create', 'edit', 'delete'],
          },
        ],
      },
    ],
  })
  const { clientId = '', clientSecret = '' } = project.identities['rotator@ops'] ?? {}
  session = createSession({
    transport: createTransport({ siteUrl: server.url }),
    credentials: { method: 'universal-auth', clientId, clientSecret },
  })
  secrets = createSecrets({ session, projectId: project.projectId, environment: ENVIRONMENT })
  store = createKeyringStore({ secrets, nowSeconds })
})

afterEach(async () => {
  session.close()
  await server.close()
  await rm(dataDir, { recursive: true, force: true })
})

async function initialise(): Promise<void> {
  await initialiseLayout({ secrets, alg: policy.alg, now: nowSeconds(), edges: [] })
}

async function flip(before: Awaited<ReturnType<KeyringStore['read']>>) {
  const fresh = await generateFreshKey(policy.alg, nowSeconds())
  return apply(before.keyring, { verb: 'flip', fresh }, { policy, now: nowSeconds() })
}

async function valueAt(path: string, name: string): Promise<string | undefined> {
  return (await secrets.get(path, name))?.value
}

describe('the keyring in Infisical', () => {
  it('reads what init created: a current and a next key, revision from the public set', async () => {
    await initialise()
    const { keyring, notes } = await store.read()
    expect(currentKey(keyring)?.privateJwk).toBeDefined()
    expect(nextKey(keyring)?.privateJwk).toBeDefined()
    expect(notes).toEqual([])
    const published = await secrets.get('/auth/jwt', 'public_jwks')
    expect(keyring.revision).toBe(published?.updatedAt)
  })

  it('says what is missing where nothing was created, folder or secret', async () => {
    await expect(store.read()).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('the folder /auth/jwt'),
    })
    await secrets.ensureFolder('/auth/jwt')
    await expect(store.read()).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('keyturn init'),
    })
  })

  it('writes a flip as one batch, reads it back, and renews the public copy', async () => {
    await initialise()
    const before = await store.read()
    const after = await store.write(before, await flip(before), 'flip by rotator@ops')
    expect(currentKey(after.keyring)?.kid).toBe(nextKey(before.keyring)?.kid)
    expect(keysWith(after.keyring, 'previous')[0]?.kid).toBe(currentKey(before.keyring)?.kid)
    expect(keysWith(after.keyring, 'previous')[0]?.privateJwk).toBeDefined()
    expect(after.keyring.revision).toBeGreaterThan(before.keyring.revision)
    const copy = await valueAt('/auth/public', 'public_jwks')
    expect(copy).toBe(await valueAt('/auth/jwt', 'public_jwks'))
    expect(copy).not.toContain('"d"')
    expect(new Set(Object.values(after.versions))).toEqual(new Set([2]))
    expect((await secrets.get('/auth/jwt', 'public_jwks'))?.comment).toBe('flip by rotator@ops')
  })

  it('refuses to write over what somebody else wrote meanwhile, and changes nothing', async () => {
    await initialise()
    const before = await store.read()
    const first = await store.write(before, await flip(before), 'first')
    await expect(store.write(before, await flip(before), 'second')).rejects.toMatchObject({
      code: 'moved',
    })
    expect(await store.read()).toEqual(first)
  })

  it('lets at most one of two rotators at once believe that it wrote', async () => {
    await initialise()
    const before = await store.read()
    const both = await Promise.allSettled([
      store.write(before, await flip(before), 'one'),
      store.write(before, await flip(before), 'two'),
    ])
    expect(both.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1)
    const { keyring } = await store.read()
    expect(keysWith(keyring, 'current')).toHaveLength(1)
    expect(currentKey(keyring)?.kid).toBe(nextKey(before.keyring)?.kid)
  })

  it('creates a slot that a layout made by hand lacks', async () => {
    await initialise()
    await secrets.remove('/auth/jwt', 'previous_private_key')
    const before = await store.read()
    const after = await store.write(before, await flip(before), 'flip')
    expect(keysWith(after.keyring, 'previous')[0]?.privateJwk).toBeDefined()
  })

  it('mends a public copy that an interrupted write left behind', async () => {
    await initialise()
    await secrets.update('/auth/public', 'public_jwks', '{"keys":[]}')
    const { keyring } = await store.read()
    await store.renewPublicCopy(keyring)
    expect(await valueAt('/auth/public', 'public_jwks')).toBe(
      await valueAt('/auth/jwt', 'public_jwks'),
    )
  })

  it('counts what stands in /auth/revoked', async () => {
    await initialise()
    const kid = nextKey((await store.read()).keyring)?.kid ?? ''
    await secrets.create('/auth/revoked', kid, JSON.stringify({ at: nowSeconds(), reason: 'leak' }))
    const { keyring } = await store.read()
    expect(keyring.revocations).toMatchObject([{ kid, reason: 'leak' }])
    expect(nextKey(keyring)).toBeUndefined()
  })

  it('names a broken invariant, and never shows the secret behind it', async () => {
    await initialise()
    const secret = (await valueAt('/auth/jwt', 'current_private_key')) ?? ''
    await secrets.update('/auth/jwt', 'current_private_key', secret.replace('"kty"', '"kit"'))
    const error = await store.read().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'keyring_invalid',
      message: 'current_private_key is a key of an allowed algorithm',
    })
    const { d } = JSON.parse(secret) as { d: string }
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(d)
  })

  it('reads edges, ping key and webhook secrets, and refuses edges that are no list', async () => {
    await initialise()
    await secrets.update('/auth/edge', 'edges', '[{"name":"eu","url":"https://edge.example/"}]')
    await secrets.update('/auth/edge', 'webhook_secret', 'first second')
    expect(await store.readPropagation()).toMatchObject({
      edges: [{ name: 'eu', url: 'https://edge.example' }],
      pingKey: { kty: 'OKP', crv: 'Ed25519' },
      webhookSecrets: ['first', 'second'],
    })
    for (const edges of ['{}', 'x', '[1]', '[{"name":"eu","url":"no url"}]']) {
      await secrets.update('/auth/edge', 'edges', edges)
      await expect(store.readPropagation()).rejects.toMatchObject({ code: 'invalid_config' })
    }
  })
})
