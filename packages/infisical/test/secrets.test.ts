import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type InfisicalDev,
  type SeededProject,
  seedProject,
  startInfisicalDev,
} from '@keyturn/infisical-dev'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createSecrets,
  createSession,
  createTransport,
  createWebhooks,
  type ProjectView,
  type Secrets,
  type Session,
} from '../src/index.ts'
import { answerJson, type FakeServer, type Handler, startFakeServer } from './fake-server.ts'

const ENVIRONMENT = 'prod'
const ALL = ['read', 'create', 'edit', 'delete'] as const

let dataDir: string
let server: InfisicalDev
let project: SeededProject
const sessions: Session[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keyturn-infisical-'))
  server = await startInfisicalDev({ dataDir })
  project = await seedProject(server.url, server.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [
      {
        name: 'rotator@ops',
        privileges: [{ environment: ENVIRONMENT, paths: ['/**'], actions: ALL }],
      },
      {
        name: 'token-service@journal',
        privileges: [{ environment: ENVIRONMENT, paths: ['/auth/jwt/**'], actions: ['read'] }],
      },
    ],
  })
})

afterAll(async () => {
  for (const session of sessions) session.close()
  await server?.close()
  await rm(dataDir, { recursive: true, force: true })
})

function viewOf(identity: string, overrides: Partial<ProjectView> = {}): ProjectView {
  const { clientId = '', clientSecret = '' } = project.identities[identity] ?? {}
  const credentials = { method: 'universal-auth', clientId, clientSecret } as const
  const session = createSession({
    transport: createTransport({ siteUrl: server.url }),
    credentials,
  })
  sessions.push(session)
  return { session, projectId: project.projectId, environment: ENVIRONMENT, ...overrides }
}

let rotator: Secrets
let folder: string
let folders = 0
beforeEach(async () => {
  rotator = createSecrets(viewOf('rotator@ops'))
  folders += 1
  folder = `/auth/jwt/test-${folders}`
  await rotator.ensureFolder(folder)
})

describe('a secret', () => {
  it('is created, read, updated and removed, and its version and time move', async () => {
    const created = await rotator.create(folder, 'active_kid', 'k1', 'first')
    expect(created).toMatchObject({ path: folder, name: 'active_kid', value: 'k1', version: 1 })
    expect(await rotator.get(folder, 'active_kid')).toMatchObject({ value: 'k1', comment: 'first' })

    const updated = await rotator.update(folder, 'active_kid', 'k2', 'second')
    expect(updated.version).toBe(2)
    expect(updated.updatedAt).toBeGreaterThanOrEqual(created.updatedAt)
    expect(Math.abs(updated.updatedAt - Date.now())).toBeLessThan(60_000)
    expect(await rotator.get(folder, 'active_kid')).toMatchObject({
      value: 'k2',
      comment: 'second',
    })

    await rotator.remove(folder, 'active_kid')
    expect(await rotator.get(folder, 'active_kid')).toBeUndefined()
  })

  it('keeps its comment when an update brings none', async () => {
    await rotator.create(folder, 'active_kid', 'k1', 'first')
    await rotator.update(folder, 'active_kid', 'k2')
    expect(await rotator.get(folder, 'active_kid')).toMatchObject({ value: 'k2', comment: 'first' })
  })

  it('moves its version with a write of the same value', async () => {
    await rotator.create(folder, 'active_kid', 'k1')
    expect((await rotator.update(folder, 'active_kid', 'k1')).version).toBe(2)
  })

  it('is absent, not an error, where its folder or its name is missing', async () => {
    expect(await rotator.get(folder, 'nobody')).toBeUndefined()
    expect(await rotator.get('/auth/nowhere', 'nobody')).toBeUndefined()
  })

  it('cannot be created twice, nor updated or removed where it is missing', async () => {
    await rotator.create(folder, 'active_kid', 'k1')
    const conflict = { code: 'conflict', status: 400 }
    await expect(rotator.create(folder, 'active_kid', 'k2')).rejects.toMatchObject(conflict)
    const missing = { code: 'not_found', status: 404, details: { reason: 'missing_secret' } }
    await expect(rotator.update(folder, 'nobody', 'x')).rejects.toMatchObject(missing)
    await expect(rotator.remove(folder, 'nobody')).rejects.toMatchObject(missing)
  })

  it('is read with its references as they are stored', async () => {
    await rotator.create(folder, 'target', 'expanded')
    await rotator.create(folder, 'reference', `kid=\${target}`)
    expect((await rotator.get(folder, 'reference'))?.value).toBe(`kid=\${target}`)
    const listed = await rotator.list(folder)
    expect(listed.find(({ name }) => name === 'reference')?.value).toBe(`kid=\${target}`)
  })
})

describe('a list', () => {
  it('has the secrets of the folder, and with recursive those below', async () => {
    await rotator.create(folder, 'here', '1')
    await rotator.ensureFolder(`${folder}/deeper`)
    await rotator.create(`${folder}/deeper`, 'there', '2')
    const named = (secrets: Awaited<ReturnType<Secrets['list']>>) =>
      secrets.map(({ path, name, value }) => `${path}/${name}=${value}`).sort()
    expect(named(await rotator.list(folder))).toEqual([`${folder}/here=1`])
    expect(named(await rotator.list(folder, { recursive: true }))).toEqual([
      `${folder}/deeper/there=2`,
      `${folder}/here=1`,
    ])
  })

  it('is empty for an empty folder and for a missing one, which folderExists tells apart', async () => {
    expect(await rotator.list(folder)).toEqual([])
    expect(await rotator.list('/auth/nowhere')).toEqual([])
    expect(await rotator.folderExists(folder)).toBe(true)
    expect(await rotator.folderExists('/auth/nowhere')).toBe(false)
    expect(await rotator.folderExists('/nowhere/at/all')).toBe(false)
    expect(await rotator.folderExists('/')).toBe(true)
  })
})

describe('a batch', () => {
  it('writes all values in one request, with a comment', async () => {
    const created = await rotator.createMany(folder, { a: '1', b: '2' }, { comment: 'step 1' })
    expect(created.map(({ name, version }) => [name, version]).sort()).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    const updated = await rotator.updateMany(folder, { a: '3', b: '4' }, { comment: 'step 2' })
    expect(updated.map(({ name, version }) => [name, version]).sort()).toEqual([
      ['a', 2],
      ['b', 2],
    ])
    const read = await rotator.list(folder)
    expect(read.map(({ value, comment }) => [value, comment]).sort()).toEqual([
      ['3', 'step 2'],
      ['4', 'step 2'],
    ])
  })

  it('writes nothing at all where one name is missing or taken', async () => {
    await rotator.createMany(folder, { a: '1' })
    const update = rotator.updateMany(folder, { a: '2', missing: 'x' })
    await expect(update).rejects.toMatchObject({ code: 'not_found' })
    const create = rotator.createMany(folder, { fresh: 'x', a: 'x' })
    await expect(create).rejects.toMatchObject({ code: 'conflict' })
    expect((await rotator.list(folder)).map(({ name, value }) => [name, value])).toEqual([
      ['a', '1'],
    ])
  })

  it('of nothing sends nothing', async () => {
    const { session } = viewOf('rotator@ops')
    const view = { ...viewOf('rotator@ops'), session: { ...session, request: refuseToSend } }
    expect(await createSecrets(view).updateMany(folder, {})).toEqual([])
  })
})

const refuseToSend = () => Promise.reject(new Error('expected no request'))

describe('ensureFolder', () => {
  it('creates every missing level, and nothing the second time', async () => {
    const deep = `${folder}/one/two`
    await rotator.ensureFolder(deep)
    await rotator.ensureFolder(deep)
    expect(await rotator.folderExists(deep)).toBe(true)
    await rotator.create(deep, 'a', '1')
    expect(await rotator.list(deep)).toHaveLength(1)
  })

  it('may run twice at once', async () => {
    const deep = `${folder}/one/two`
    await Promise.all([rotator.ensureFolder(deep), rotator.ensureFolder(deep)])
    expect(await rotator.folderExists(deep)).toBe(true)
  })
})

describe('a path', () => {
  it.each(['auth/jwt', '/auth/', '//auth', '/auth/../jwt', '', '/a b'])(
    '%o is refused before anything is sent',
    async (path) => {
      await expect(rotator.list(path)).rejects.toThrow(TypeError)
      await expect(rotator.folderExists(path)).rejects.toThrow(TypeError)
    },
  )
})

describe('an identity', () => {
  it('that may only read gets its folder, and no write and no other folder', async () => {
    await rotator.create(folder, 'active_kid', 'k1')
    const reader = createSecrets(viewOf('token-service@journal'))
    expect(await reader.list(folder)).toHaveLength(1)
    const forbidden = { code: 'forbidden', status: 403 }
    await expect(reader.update(folder, 'active_kid', 'k2')).rejects.toMatchObject(forbidden)
    await expect(reader.updateMany(folder, { active_kid: 'k2' })).rejects.toMatchObject(forbidden)
    await expect(reader.list('/auth/oauth')).rejects.toMatchObject(forbidden)
    await expect(reader.ensureFolder('/auth/oauth')).rejects.toMatchObject(forbidden)
  })

  it('of another project sees an error, not an absent secret', async () => {
    const projectId = '00000000-0000-4000-8000-000000000000'
    const secrets = createSecrets(viewOf('rotator@ops', { projectId }))
    const missing = { code: 'not_found', details: { reason: 'missing_project' } }
    await expect(secrets.get(folder, 'active_kid')).rejects.toMatchObject(missing)
    await expect(secrets.list(folder)).rejects.toMatchObject(missing)
  })

  it('of a missing environment is told forbidden, as servers do', async () => {
    const secrets = createSecrets(viewOf('rotator@ops', { environment: 'qa' }))
    await expect(secrets.list(folder)).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('may not manage webhooks: that is forbidden, and an operator does it by hand', async () => {
    const webhooks = createWebhooks(viewOf('rotator@ops'))
    const webhook = { url: 'http://127.0.0.1:9/hook', secret: 'webhook-secret', path: '/auth/**' }
    await expect(webhooks.createWebhook(webhook)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(webhooks.listWebhooks()).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('with the rights of a user creates a webhook and finds it again, without its secret', async () => {
    const session = createSession({
      transport: createTransport({ siteUrl: server.url }),
      credentials: { method: 'token', token: server.adminToken },
    })
    sessions.push(session)
    const webhooks = createWebhooks(viewOf('rotator@ops', { session }))
    const webhook = { url: 'http://127.0.0.1:9/hook', secret: 'webhook-secret', path: '/auth/**' }
    const created = await webhooks.createWebhook(webhook)
    expect(created).toMatchObject({ url: webhook.url, path: '/auth/**', disabled: false })
    const listed = await webhooks.listWebhooks()
    expect(listed.map(({ id }) => id)).toContain(created.id)
    expect(JSON.stringify(listed)).not.toContain('webhook-secret')
  })
})

describe('the answer of a newer server', () => {
  let fake: FakeServer | undefined
  afterAll(() => fake?.close())

  const answered = (body: unknown) => handled((_, response) => answerJson(response, 200, body))

  async function handled(handler: Handler): Promise<Secrets> {
    await fake?.close()
    fake = await startFakeServer(handler)
    const session = createSession({
      transport: createTransport({ siteUrl: fake.url }),
      credentials: { method: 'token', token: 'static-token' },
    })
    sessions.push(session)
    return createSecrets({ session, projectId: 'p', environment: ENVIRONMENT })
  }

  const stored = {
    secretKey: 'a',
    secretValue: '1',
    version: 1,
    updatedAt: '2026-11-21T12:00:00.000Z',
  }

  it('that a write waits for approval names the Change Request', async () => {
    const secrets = await answered({ approval: { id: 'approval-id', slug: 'cr-7' } })
    const error = {
      code: 'approval_required',
      message: expect.stringContaining('cr-7'),
      details: { id: 'approval-id', slug: 'cr-7' },
    }
    await expect(secrets.updateMany(folder, { a: '1' })).rejects.toMatchObject(error)
    await expect(secrets.create(folder, 'a', '1')).rejects.toMatchObject(error)
    await expect(secrets.update(folder, 'a', '1')).rejects.toMatchObject(error)
    await expect(secrets.remove(folder, 'a')).rejects.toMatchObject(error)
  })

  it('that a folder was made by somebody else in between is as good as having made it', async () => {
    const secrets = await handled(({ method }, response) =>
      method === 'GET'
        ? answerJson(response, 200, { folders: [] })
        : answerJson(response, 400, { statusCode: 400, message: 'Folder already exists' }),
    )
    await secrets.ensureFolder('/auth')
    expect(fake?.requests.map(({ method }) => method)).toEqual(['GET', 'POST'])
  })

  it('that hides a value is forbidden, and never taken for the value', async () => {
    const hidden = { ...stored, secretValue: '<hidden-by-infisical>', secretValueHidden: true }
    const secrets = await answered({ secrets: [hidden] })
    await expect(secrets.list(folder)).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('with personal overrides gives the shared secrets alone', async () => {
    const personal = { ...stored, type: 'personal', secretValue: 'mine' }
    const secrets = await answered({ secrets: [personal, { ...stored, type: 'shared' }] })
    expect((await secrets.list(folder)).map(({ value }) => value)).toEqual(['1'])
  })

  it('gives the time of the server in milliseconds', async () => {
    const secrets = await answered({ secrets: [stored] })
    const [secret] = await secrets.list(folder)
    expect(secret).toEqual({
      path: folder,
      name: 'a',
      value: '1',
      version: 1,
      updatedAt: Date.UTC(2026, 10, 21, 12),
      comment: '',
    })
  })

  it.each([
    ['no list', {}],
    ['a list of something else', { secrets: [7] }],
    ['a secret without a name', { secrets: [{ ...stored, secretKey: undefined }] }],
    ['a secret without a value', { secrets: [{ ...stored, secretValue: undefined }] }],
    ['a secret without a version', { secrets: [{ ...stored, version: '1' }] }],
    ['a secret with a time that is none', { secrets: [{ ...stored, updatedAt: 'yesterday' }] }],
  ])('with %s is refused', async (_, body) => {
    const secrets = await answered(body)
    await expect(secrets.list(folder)).rejects.toMatchObject({ code: 'unexpected_answer' })
  })
})
