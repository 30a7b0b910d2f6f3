import { afterAll, beforeAll, expect, test } from 'vitest'

import { seedProject } from '../src/seed.ts'
import { createManualClock, startWorld, type World } from './world.ts'

const clock = createManualClock()
let world: World
let place: { workspaceId: string; environment: string; secretPath: string }

beforeAll(async () => {
  world = await startWorld({ clock })
  const { projectId } = await seedProject(world.url, world.server.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    environments: [{ name: 'QA', slug: 'qa' }],
    identities: [],
  })
  place = { workspaceId: projectId, environment: 'qa', secretPath: '/' }
})
afterAll(() => world.end())

const admin = (route: string, body?: object) =>
  world.call(route, { token: world.server.adminToken, ...(body && { body }) })
const one = (method: string, name: string, body: object = {}) =>
  admin(`${method} /api/v3/secrets/raw/${name}`, { ...place, ...body })
const batch = (method: string, values: Readonly<Record<string, string>>) =>
  admin(`${method} /api/v3/secrets/batch/raw`, {
    ...place,
    secrets: Object.entries(values).map(([secretKey, secretValue]) => ({ secretKey, secretValue })),
  })
const list = async (prefix: string): Promise<Shown[]> => {
  const { body } = await admin(`GET /api/v3/secrets/raw?${new URLSearchParams(place)}`)
  return body.secrets.filter((secret: Shown) => secret.secretKey.startsWith(prefix))
}
interface Shown {
  readonly secretKey: string
  readonly secretValue: string
  readonly secretComment: string
  readonly version: number
  readonly updatedAt: string
}

test('every write moves version and updatedAt, also within one millisecond', async () => {
  const created = await one('POST', 'moving', { secretValue: 'v' })
  const updated = await one('PATCH', 'moving', { secretValue: 'v' })
  expect(updated.body.secret.version).toBe(created.body.secret.version + 1)
  expect(updated.body.secret.updatedAt > created.body.secret.updatedAt).toBe(true)
  expect(updated.body.secret.createdAt).toBe(created.body.secret.createdAt)
})

test('twenty batches at once leave the values of one of them, and no reader sees a mixture', async () => {
  await batch('POST', { race_a: '0', race_b: '0', race_c: '0' })
  const values = Array.from({ length: 20 }, (_, index) => String(index + 1))
  const outcomes = await Promise.all(
    values.flatMap((value) => [
      batch('PATCH', { race_a: value, race_b: value, race_c: value }).then(({ status }) => status),
      list('race_').then((secrets) => new Set(secrets.map((secret) => secret.secretValue)).size),
    ]),
  )
  expect(outcomes).toEqual(values.flatMap(() => [200, 1]))
  const secrets = await list('race_')
  expect(secrets.map(({ version }) => version)).toEqual([21, 21, 21])
})

test('a batch with one missing name changes none of the others', async () => {
  await batch('POST', { whole_a: 'before', whole_b: 'before' })
  const refused = await batch('PATCH', { whole_a: 'after', nowhere: 'x', whole_b: 'after' })
  expect([refused.status, refused.body.message]).toEqual([
    404,
    'Secret does not exist: whole_a,whole_b',
  ])
  expect((await list('whole_')).map(({ secretValue }) => secretValue)).toEqual(['before', 'before'])
})

test('a batch that fails at its last secret is undone', async () => {
  await batch('POST', { undo_a: '1', undo_b: '1', undo_taken: '1' })
  const { status } = await admin('PATCH /api/v3/secrets/batch/raw', {
    ...place,
    secrets: [
      { secretKey: 'undo_a', secretValue: '2' },
      { secretKey: 'undo_b', secretValue: '2', newSecretName: 'undo_taken' },
    ],
  })
  expect(status).toBe(400)
  const secrets = await list('undo_')
  expect(secrets.map(({ secretValue, version }) => [secretValue, version])).toEqual([
    ['1', 1],
    ['1', 1],
    ['1', 1],
  ])
})

test('a batch that names a secret twice is refused', async () => {
  const body = {
    ...place,
    secrets: [
      { secretKey: 'twice', secretValue: '1' },
      { secretKey: 'twice', secretValue: '2' },
    ],
  }
  expect((await admin('POST /api/v3/secrets/batch/raw', body)).status).toBe(400)
  expect(await list('twice')).toEqual([])
})

test('a batch delete with a missing name deletes nothing', async () => {
  await batch('POST', { stays: '1' })
  const body = { ...place, secrets: [{ secretKey: 'stays' }, { secretKey: 'nowhere' }] }
  expect((await admin('DELETE /api/v3/secrets/batch/raw', body)).status).toBe(404)
  expect(await list('stays')).toHaveLength(1)
})

test('an absent comment stays as it is, and a new name moves the secret', async () => {
  await one('POST', 'named', { secretValue: '1', secretComment: 'kid=k1' })
  await one('PATCH', 'named', { secretValue: '2', newSecretName: 'renamed' })
  expect(await list('named')).toEqual([])
  expect((await list('renamed'))[0]).toMatchObject({ secretComment: 'kid=k1', version: 2 })
})

test('a folder is created with those above it, and deleted with everything in it', async () => {
  const folder = { workspaceId: place.workspaceId, environment: 'qa', path: '/deep/er' }
  await admin('POST /api/v1/folders', { ...folder, name: 'still' })
  const below = { ...place, secretPath: '/deep/er/still' }
  await admin('POST /api/v3/secrets/raw/x', { ...below, secretValue: 'v' })
  const get = () => admin(`GET /api/v3/secrets/raw/x?${new URLSearchParams(below)}`)
  expect((await get()).status).toBe(200)
  const removed = await admin('DELETE /api/v1/folders/deep', { ...folder, path: '/' })
  expect(removed.status).toBe(200)
  expect((await get()).status).toBe(404)
})

test('a name of any form is one name', async () => {
  for (const name of ['a/b', 'a b', 'ä', '%2F', '..']) {
    const path = `/api/v3/secrets/raw/${encodeURIComponent(name)}`
    const { body } = await admin(`POST ${path}`, { ...place, secretValue: name })
    // `..` is a path segment that every client removes before it sends the request.
    if (name !== '..') expect(body.secret.secretKey).toBe(name)
  }
})

test('an environment that exists is not created again', async () => {
  const route = `POST /api/v1/workspace/${place.workspaceId}/environments`
  const { status, body } = await admin(route, { name: 'QA', slug: 'qa' })
  expect([status, body.message]).toEqual([400, "Environment with slug 'qa' already exist"])
})
