import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { seedProject } from '../src/seed.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { startWorld, type World } from './world.ts'

/** Long enough that a busy machine still makes its quick edits within it. */
const webhookDelayMs = 400
let world: World
let receiver: Receiver
let workspaceId: string

beforeEach(async () => {
  world = await startWorld({ webhookDelayMs })
  receiver = await startReceiver()
  const { projectId } = await seedProject(world.url, world.server.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [],
  })
  workspaceId = projectId
  for (const name of ['jwt', 'aes']) {
    await admin('POST /api/v1/folders', { workspaceId, environment: 'dev', path: '/auth', name })
  }
})
afterEach(async () => {
  await world.end()
  await receiver.end()
})

const admin = (route: string, body: object) =>
  world.call(route, { token: world.server.adminToken, body })
const hook = async (path: string, wanted: object = {}): Promise<string> => {
  const { body } = await admin('POST /api/v1/webhooks', {
    workspaceId,
    environment: 'dev',
    webhookUrl: `${receiver.url}${path}`,
    secretPath: '/auth/jwt',
    ...wanted,
  })
  return body.webhook.id
}
const write = (name: string, secretPath = '/auth/jwt', environment = 'dev') =>
  admin(`POST /api/v3/secrets/raw/${name}`, {
    workspaceId,
    environment,
    secretPath,
    secretValue: 'v',
  })
const arrived = (count: number, timeout = 3000) =>
  vi.waitFor(() => expect(receiver.deliveries).toHaveLength(count), { timeout, interval: 5 })
const quiet = () => new Promise((done) => setTimeout(done, webhookDelayMs * 2))
const status = async (id: string) => {
  const { body } = await world.call(`GET /api/v1/webhooks?workspaceId=${workspaceId}`, {
    token: world.server.adminToken,
  })
  const found = body.webhooks.find((webhook: { id: string }) => webhook.id === id)
  return [found.lastStatus, found.lastRunErrorMessage]
}

test('a delivery has the recorded form, and its signature is over the raw body', async () => {
  const key = 'whsec-of-the-test'
  await hook('/hook', { webhookSecretKey: key })
  await write('a')
  await arrived(1)
  const [delivery] = receiver.deliveries
  const body = JSON.parse(delivery?.raw ?? '')
  expect(body).toEqual({
    event: 'secrets.modified',
    project: { workspaceId, environment: 'dev', secretPath: '/auth/jwt' },
    timestamp: expect.any(Number),
  })
  const mac = createHmac('sha256', key)
    .update(delivery?.raw ?? '')
    .digest('hex')
  expect(delivery?.headers['x-infisical-signature']).toBe(`t=${body.timestamp};${mac}`)
  expect(delivery?.headers['content-type']).toBe('application/json')
})

test('the recorded deliveries are signed in the same way, with their members in this order', async () => {
  const url = new URL('recordings/webhook-deliveries.json', import.meta.url)
  const recorded = JSON.parse(readFileSync(url, 'utf8'))
  await hook('/hook', { webhookSecretKey: recorded.secretKey })
  await write('a')
  await arrived(1)
  for (const { raw, headers } of recorded.test) {
    const mac = createHmac('sha256', recorded.secretKey).update(raw).digest('hex')
    expect(headers['x-infisical-signature']).toBe(`t=${JSON.parse(raw).timestamp};${mac}`)
    const shape = (text: string) => text.replaceAll(/:"[^"]*"|:\d+/g, '')
    expect(shape(receiver.deliveries[0]?.raw ?? '')).toBe(shape(raw))
  }
})

test('without a secret there is no signature', async () => {
  await hook('/hook')
  await write('a')
  await arrived(1)
  expect(receiver.deliveries[0]?.headers).not.toHaveProperty('x-infisical-signature')
})

test('five quick edits and a batch are told in one delivery', async () => {
  await hook('/hook')
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => write(name)))
  await admin('PATCH /api/v3/secrets/batch/raw', {
    workspaceId,
    environment: 'dev',
    secretPath: '/auth/jwt',
    secrets: [{ secretKey: 'a', secretValue: 'w' }],
  })
  await arrived(1)
  await quiet()
  expect(receiver.deliveries).toHaveLength(1)
})

test('an edit after a delivery is told again', async () => {
  await hook('/hook')
  await write('a')
  await arrived(1)
  await write('b')
  await arrived(2)
})

test('a refused write is not told', async () => {
  await hook('/hook')
  await write('a')
  await arrived(1)
  expect((await write('a')).status).toBe(400)
  await quiet()
  expect(receiver.deliveries).toHaveLength(1)
})

test('only webhooks of the environment whose path or glob matches are told', async () => {
  await hook('/exact')
  await hook('/glob', { secretPath: '/auth/**' })
  await hook('/other', { secretPath: '/auth/oauth' })
  await hook('/prod', { environment: 'prod' })
  await write('a')
  await write('b', '/auth/aes')
  await arrived(3)
  await quiet()
  expect(receiver.deliveries.map(({ path }) => path).sort()).toEqual(['/exact', '/glob', '/glob'])
})

test('a receiver that fails is asked four times with the identical body, then left', async () => {
  receiver.answerWith(503)
  const id = await hook('/hook', { webhookSecretKey: 'k' })
  await write('a')
  await arrived(4)
  const [first, ...others] = receiver.deliveries
  for (const { raw, headers } of others) {
    expect(raw).toBe(first?.raw)
    expect(headers['x-infisical-signature']).toBe(first?.headers['x-infisical-signature'])
  }
  await vi.waitFor(async () =>
    expect(await status(id)).toEqual(['failed', 'Request failed with status code 503']),
  )
})

test('a receiver that recovers gets no further attempt', async () => {
  receiver.answerWith(500)
  const id = await hook('/hook')
  await write('a')
  await arrived(1)
  receiver.answerWith(200)
  await arrived(2)
  await vi.waitFor(async () => expect(await status(id)).toEqual(['success', null]))
})

test('a refusal by the receiver is final', async () => {
  receiver.answerWith(401)
  const id = await hook('/hook')
  await write('a')
  await vi.waitFor(async () =>
    expect(await status(id)).toEqual(['failed', 'Request failed with status code 401']),
  )
  expect(receiver.deliveries).toHaveLength(1)
})

test('a receiver that is not there is a failure with its reason', async () => {
  const gone = await startReceiver()
  await gone.end()
  const id = await hook('', { webhookUrl: gone.url })
  const { body } = await admin(`POST /api/v1/webhooks/${id}/test`, {})
  expect(body.webhook.lastStatus).toBe('failed')
  expect(body.webhook.lastRunErrorMessage).toMatch(/ECONNREFUSED/)
})

test('a deleted webhook is not told, also of a change before its end', async () => {
  const id = await hook('/hook')
  await write('a')
  await admin(`DELETE /api/v1/webhooks/${id}`, {})
  await quiet()
  expect(receiver.deliveries).toEqual([])
})
