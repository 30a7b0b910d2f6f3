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

async function removeFolder(path: string, name: string): Promise<void> {
  const body = { workspaceId: project.projectId, environment: ENVIRONMENT, path }
  await session.request({ method: 'DELETE', path: `/api/v1/folders/${name}`, body })
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

  it('creates what is revoked, in its folder, and reads the keyring in which it counts', async () => {
    await initialise()
    const current = currentKey((await store.read()).keyring)?.kid ?? ''
    const next = nextKey((await store.read()).keyring)?.kid ?? ''
    const { keyring } = await store.revoke([{ kid: current, at: 7, reason: 'leak' }], 'by hand')
    expect(keyring.revocations).toEqual([{ kid: current, at: 7, reason: 'leak' }])
    expect(currentKey(keyring)?.kid).toBe(next)
    const stored = await secrets.get('/auth/revoked', current)
    expect(stored).toMatchObject({ version: 1, comment: 'by hand' })
    expect(JSON.parse(stored?.value ?? '')).toEqual({ at: 7, reason: 'leak' })
  })

  it('makes the folder of what is revoked where a layout made by hand lacks it', async () => {
    await initialise()
    const { keyring } = await store.read()
    const revocations = keyring.keys.map(({ kid }) => ({ kid, at: 7, reason: 'leak' }))
    await removeFolder('/auth', 'revoked')
    expect(await secrets.folderExists('/auth/revoked')).toBe(false)
    const back = await store.revoke(revocations, 'all')
    expect(back.keyring.revocations).toHaveLength(2)
    expect(currentKey(back.keyring)).toBeUndefined()
  })

  it('never changes what was revoked before, and adds what was not', async () => {
    await initialise()
    const [first = '', second = ''] = (await store.read()).keyring.keys.map(({ kid }) => kid)
    await store.revoke([{ kid: first, at: 7, reason: 'the first' }], 'one')
    const again = [first, second].map((kid) => ({ kid, at: 9, reason: 'the second' }))
    const { keyring } = await store.revoke(again, 'two')
    expect(new Map(keyring.revocations.map(({ kid, reason }) => [kid, reason]))).toEqual(
      new Map([
        [first, 'the first'],
        [second, 'the second'],
      ]),
    )
    expect((await secrets.get('/auth/revoked', first))?.version).toBe(1)
  })

  it('keeps a reason as it was typed, also where it reads like a reference', async () => {
    await initialise()
    const kid = currentKey((await store.read()).keyring)?.kid ?? ''
    const reason = `"\${prod.auth.jwt.current_private_key}" \u0024{x} was printed`
    const { keyring } = await store.revoke([{ kid, at: 7, reason }], 'odd')
    expect(keyring.revocations).toEqual([{ kid, at: 7, reason }])
    expect(await valueAt('/auth/revoked', kid)).not.toContain('${')
  })

  it('writes the step that takes a revoked key out of the public set and its copy', async () => {
    await initialise()
    const { keyring } = await store.read()
    const kid = currentKey(keyring)?.kid ?? ''
    const revoked = await store.revoke([{ kid, at: nowSeconds(), reason: 'leak' }], 'revoke')
    const fresh = await generateFreshKey('EdDSA', nowSeconds())
    const { revocations } = revoked.keyring
    const step = { verb: 'revoke', revocations, fresh: [fresh] } as const
    const after = apply(revoked.keyring, step, { policy, now: nowSeconds() })
    const written = await store.write(revoked, after, 'revoke')
    expect(currentKey(written.keyring)?.kid).toBe(nextKey(keyring)?.kid)
    expect(nextKey(written.keyring)?.kid).toBe(fresh.kid)
    expect(written.keyring.revocations).toEqual(revocations)
    for (const path of ['/auth/jwt', '/auth/public']) {
      expect(await valueAt(path, 'public_jwks')).not.toContain(kid)
    }
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
