import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { conditionsSchema, isAllowed, isPathMatch, type Rule } from '../src/permissions.ts'
import { type SeededProject, seedProject } from '../src/seed.ts'
import { startWorld, type World } from './world.ts'

const prodJwt = { environment: 'prod', secretPath: '/auth/jwt' }
const reads = (conditions?: Rule['conditions']): Rule[] => [
  { subject: 'secrets', action: ['read'], conditions },
]
const mayRead = (rules: readonly Rule[], place = prodJwt) =>
  isAllowed(rules, 'read', { subject: 'secrets', place })

describe('rules', () => {
  test('no rule allows nothing', () => {
    expect(mayRead([])).toBe(false)
  })

  test('a rule without conditions holds everywhere, for its action and subject only', () => {
    expect(mayRead(reads())).toBe(true)
    expect(isAllowed(reads(), 'edit', { subject: 'secrets', place: prodJwt })).toBe(false)
    expect(isAllowed(reads(), 'read', { subject: 'environments' })).toBe(false)
  })

  test.each<[string, Rule['conditions'], boolean]>([
    ['a plain environment that is the same', { environment: 'prod' }, true],
    ['a plain environment that is another', { environment: 'dev' }, false],
    ['$eq with the same path', { secretPath: { $eq: '/auth/jwt' } }, true],
    ['$eq with a prefix of the path', { secretPath: { $eq: '/auth' } }, false],
    ['$ne with another environment', { environment: { $ne: 'dev' } }, true],
    ['$ne with the same environment', { environment: { $ne: 'prod' } }, false],
    ['$in with the environment in it', { environment: { $in: ['dev', 'prod'] } }, true],
    ['$in without the environment', { environment: { $in: ['dev'] } }, false],
    ['$glob with one level', { secretPath: { $glob: '/auth/*' } }, true],
    ['$glob of another folder', { secretPath: { $glob: '/auth/aes/**' } }, false],
    ['two operators that both hold', { secretPath: { $glob: '/**', $ne: '/' } }, true],
    ['two operators of which one fails', { secretPath: { $glob: '/**', $ne: '/auth/jwt' } }, false],
    ['both conditions met', { environment: 'prod', secretPath: '/auth/jwt' }, true],
    ['one of two conditions met', { environment: 'dev', secretPath: '/auth/jwt' }, false],
  ])('a condition: %s', (_what, conditions, expected) => {
    expect(mayRead(reads(conditions))).toBe(expected)
  })

  test('a rule with conditions does not hold where no place is asked about', () => {
    expect(isAllowed(reads({ environment: 'prod' }), 'read', { subject: 'secrets' })).toBe(false)
  })

  test('a condition on a secret name is dropped, so that the rule is wider than written', () => {
    expect(conditionsSchema.parse({ environment: 'prod', secretName: 'x' })).toEqual({
      environment: 'prod',
    })
  })

  test.each([
    ['/auth/jwt/**', '/auth/jwt', true],
    ['/auth/jwt/**', '/auth/jwt/a/b', true],
    ['/auth/jwt/**', '/auth/jwt2', false],
    ['/auth/*', '/auth', false],
    ['/auth/*', '/auth/oauth/google', false],
    ['/auth/{jwt,aes}/**', '/auth/aes', true],
    ['/auth/{jwt,aes}/**', '/auth/oauth', false],
  ])('the glob %s against %s is %s', (pattern, path, expected) => {
    expect(isPathMatch(path, pattern)).toBe(expected)
  })
})

describe('identities in a project', () => {
  let world: World
  let project: SeededProject
  const tokens: Record<string, string> = {}

  const route = (method: string, path: string, name = '') => {
    const where = `workspaceId=${project.projectId}&environment=prod&secretPath=${path}`
    return `${method} /api/v3/secrets/raw${name && `/${name}`}?${where}`
  }
  const write = (method: string, path: string, name: string, token: string | undefined) =>
    world.call(`${method} /api/v3/secrets/raw/${name}`, {
      token,
      body: {
        workspaceId: project.projectId,
        environment: 'prod',
        secretPath: path,
        secretValue: 'v',
      },
    })

  beforeAll(async () => {
    world = await startWorld()
    project = await seedProject(world.url, world.server.adminToken, {
      projectName: 'journal',
      slug: 'journal-keys',
      identities: [
        {
          name: 'reader',
          privileges: [{ environment: 'prod', paths: ['/auth/jwt/**'], actions: ['read'] }],
        },
        {
          name: 'creator',
          privileges: [{ environment: 'prod', paths: ['/auth/**'], actions: ['create'] }],
        },
        { name: 'viewer', role: 'viewer' },
      ],
    })
    await seedProject(world.url, world.server.adminToken, {
      projectName: 'other',
      slug: 'other-project',
      identities: [{ name: 'stranger', role: 'admin' }],
    }).then(async ({ identities }) => {
      for (const [name, identity] of Object.entries(identities)) {
        tokens[name] = await world.login(identity)
      }
    })
    for (const [name, identity] of Object.entries(project.identities)) {
      tokens[name] = await world.login(identity)
    }
    for (const name of ['jwt', 'aes']) {
      await world.call('POST /api/v1/folders', {
        token: world.server.adminToken,
        body: { workspaceId: project.projectId, environment: 'prod', path: '/auth', name },
      })
      await write('POST', `/auth/${name}`, `in_${name}`, world.server.adminToken)
    }
  })
  afterAll(() => world.end())

  test('a reader reads its folder and no other, and writes nowhere', async () => {
    const token = tokens.reader
    expect((await world.call(route('GET', '/auth/jwt', 'in_jwt'), { token })).status).toBe(200)
    expect((await world.call(route('GET', '/auth/aes', 'in_aes'), { token })).status).toBe(403)
    for (const [method, action] of [
      ['POST', 'create'],
      ['PATCH', 'edit'],
      ['DELETE', 'delete'],
    ] as const) {
      const { status, body } = await write(method, '/auth/jwt', 'in_jwt', token)
      expect([status, body.message]).toEqual([403, `You are not allowed to ${action} on secrets`])
    }
  })

  test('a recursive list shows only what may be read', async () => {
    const { body } = await world.call(`${route('GET', '/')}&recursive=true`, {
      token: tokens.reader,
    })
    expect(body.secrets.map((secret: { secretKey: string }) => secret.secretKey)).toEqual([
      'in_jwt',
    ])
  })

  test('who may create may not read, edit or delete', async () => {
    const token = tokens.creator
    expect((await write('POST', '/auth/jwt', 'made', token)).status).toBe(200)
    expect((await write('PATCH', '/auth/jwt', 'made', token)).status).toBe(403)
    expect((await write('DELETE', '/auth/jwt', 'made', token)).status).toBe(403)
    expect((await world.call(route('GET', '/auth/jwt', 'made'), { token })).status).toBe(403)
  })

  test('an identity of another project is no member, whatever its role is there', async () => {
    const { status, body } = await world.call(route('GET', '/auth/jwt'), {
      token: tokens.stranger,
    })
    expect(status).toBe(403)
    expect(body.error).toBe('Identity is not a member of the specified project')
  })

  test('identities without the right role set nothing up', async () => {
    const token = tokens.viewer
    const environment = { name: 'QA', slug: 'qa' }
    const refused = await world.call(`POST /api/v1/workspace/${project.projectId}/environments`, {
      token,
      body: environment,
    })
    expect(refused.body.message).toBe('You are not allowed to create on environments')
    const workspace = await world.call('POST /api/v2/workspace', {
      token,
      body: { projectName: 'mine' },
    })
    expect(workspace.body.message).toBe('You are not allowed to create on workspace')
    const self = project.identities.viewer?.id
    const grant = await world.call('POST /api/v1/additional-privilege/identity/permanent', {
      token,
      body: {
        identityId: self,
        projectSlug: 'journal-keys',
        slug: 'all',
        privilegePermission: { actions: ['edit'], subject: 'secrets' },
      },
    })
    expect(grant.status).toBe(403)
  })

  test('a reference to a secret that the reader may not read is not expanded', async () => {
    const body = {
      workspaceId: project.projectId,
      environment: 'prod',
      secretPath: '/auth/jwt',
      secretValue: 'k=$' + '{prod.auth.aes.in_aes}',
    }
    const { adminToken } = world.server
    await world.call('POST /api/v3/secrets/raw/ref', { token: adminToken, body })
    const one = `${route('GET', '/auth/jwt', 'ref')}&expandSecretReferences=true`
    const forAdmin = await world.call(one, { token: adminToken })
    expect(forAdmin.body.secret.secretValue).toBe('k=v')
    expect((await world.call(one, { token: tokens.reader })).status).toBe(403)
  })
})
