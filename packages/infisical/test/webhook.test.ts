import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seedProject, startInfisicalDev } from '@keyturn/infisical-dev'
import { describe, expect, it } from 'vitest'
import {
  createSecrets,
  createSession,
  createTransport,
  createWebhooks,
  verifyInfisicalWebhook,
  type WebhookDelivery,
} from '../src/index.ts'
import { type SeenRequest, startFakeServer } from './fake-server.ts'
import recorded from './fixtures/recorded-webhooks.json' with { type: 'json' }

const SECRET = 'the-webhook-secret'
const NOW_MS = 1_795_226_780_995
const BODY = {
  event: 'secrets.modified',
  project: { workspaceId: 'project-1', environment: 'prod', secretPath: '/auth/jwt' },
  timestamp: NOW_MS,
}

function delivery(
  body: unknown = BODY,
  { secret = SECRET, t = NOW_MS }: { secret?: string; t?: number } = {},
): WebhookDelivery & { readonly rawBody: string } {
  const rawBody = typeof body === 'string' ? body : JSON.stringify(body)
  const mac = createHmac('sha256', secret).update(rawBody).digest('hex')
  return { rawBody, header: `t=${t};${mac}`, secrets: [SECRET], nowMs: NOW_MS }
}

const refused = (given: WebhookDelivery) => {
  expect(() => verifyInfisicalWebhook(given)).toThrow(
    expect.objectContaining({ code: 'webhook_invalid' }),
  )
}

describe('a delivery', () => {
  it.each(recorded.deliveries)('recorded from a real server is accepted: $name', (real) => {
    const { timestamp } = JSON.parse(real.rawBody)
    const secrets = [recorded.secret]
    expect(verifyInfisicalWebhook({ ...real, secrets, nowMs: timestamp + 20 })).toEqual({
      event: real.name === 'test' ? 'test' : 'secrets.modified',
      projectId: 'adadb5cc-5f03-4433-9cbc-79e109b2ee6d',
      environment: 'dev',
      path: '/auth/jwt',
      timestamp,
    })
  })

  it('may come as bytes', () => {
    const given = delivery()
    const rawBody = new TextEncoder().encode(given.rawBody)
    expect(verifyInfisicalWebhook({ ...given, rawBody }).path).toBe('/auth/jwt')
  })

  it.each([
    ['old', 'new'],
    ['new', 'old'],
  ])('is accepted under either secret while it turns', (...secrets) => {
    const given = delivery(BODY, { secret: 'new' })
    expect(verifyInfisicalWebhook({ ...given, secrets }).event).toBe('secrets.modified')
  })

  it('may be repeated, as Infisical does after a failure', () => {
    const given = delivery()
    expect(verifyInfisicalWebhook(given)).toEqual(verifyInfisicalWebhook(given))
  })
})

describe('the signature', () => {
  it('covers the raw body: one more space is refused', () => {
    const given = delivery()
    refused({ ...given, rawBody: `${given.rawBody} ` })
  })

  it('is refused under another secret', () => {
    refused(delivery(BODY, { secret: 'another' }))
  })

  const { header } = delivery()
  it.each([
    ['no header', undefined],
    ['null', null],
    ['an empty header', ''],
    ['no time', header?.replace(/^t=\d+;/, '')],
    ['upper case', header?.toUpperCase()],
    ['a cut mac', header?.slice(0, -2)],
    ['a longer mac', `${header}00`],
    ['a second mac', `${header};${header?.split(';')[1]}`],
    ['a time that is no number', header?.replace(/^t=\d+/, 't=1e12')],
    ['another mac', header?.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
  ])('is refused in this form: %s', (_, given) => {
    refused({ ...delivery(), header: given })
  })

  it('is judged before the body is read', () => {
    const given = { ...delivery('not json'), header: `t=${NOW_MS};${'0'.repeat(64)}` }
    expect(() => verifyInfisicalWebhook(given)).toThrow('a signature under a known secret')
  })
})

describe('the time', () => {
  it('in the header must be the signed one, so that nobody makes an old delivery young', () => {
    refused(delivery({ ...BODY, timestamp: NOW_MS - 1 }, { t: NOW_MS }))
  })

  it.each([-300_001, 300_001])('%i ms away is refused', (ms) => {
    refused({ ...delivery(), nowMs: NOW_MS + ms })
  })

  it.each([-300_000, 300_000])('%i ms away is accepted', (ms) => {
    expect(verifyInfisicalWebhook({ ...delivery(), nowMs: NOW_MS + ms }).timestamp).toBe(NOW_MS)
  })

  it('may be held to less', () => {
    refused({ ...delivery(), nowMs: NOW_MS + 1001, toleranceMs: 1000 })
  })
})

describe('the body', () => {
  it.each([
    ['no JSON', 'hello'],
    ['an array', [BODY]],
    ['no event', { ...BODY, event: undefined }],
    ['no project', { ...BODY, project: undefined }],
    ['no path', { ...BODY, project: { ...BODY.project, secretPath: 7 } }],
    ['a time as text', { ...BODY, timestamp: String(NOW_MS) }],
  ])('is refused with %s, even signed', (_, body) => {
    refused(delivery(body))
  })

  it('is refused above 64 KiB before anything is computed', () => {
    const given = delivery({ ...BODY, filler: 'x'.repeat(64 * 1024) })
    expect(() => verifyInfisicalWebhook(given)).toThrow('at most 65536 bytes')
  })
})

describe('the secrets', () => {
  it.each([[[]], [['']], [[SECRET, '']]])('%o are a mistake of the caller', (secrets) => {
    expect(() => verifyInfisicalWebhook({ ...delivery(), secrets })).toThrow(TypeError)
  })
})

describe('a webhook that was created through the API', () => {
  it('tells a change within its folders, signed with its secret', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'keyturn-webhook-'))
    const dev = await startInfisicalDev({ dataDir, webhookDelayMs: 10 })
    const arrived = Promise.withResolvers<SeenRequest>()
    const receiver = await startFakeServer((request, response) => {
      arrived.resolve(request)
      response.end()
    })
    try {
      const spec = { projectName: 'journal', slug: 'journal-keys', identities: [] }
      const { projectId } = await seedProject(dev.url, dev.adminToken, spec)
      const session = createSession({
        transport: createTransport({ siteUrl: dev.url }),
        credentials: { method: 'token', token: dev.adminToken },
      })
      const view = { session, projectId, environment: 'prod' }
      const secrets = createSecrets(view)
      await secrets.ensureFolder('/auth/jwt')
      const webhook = { url: `${receiver.url}/hook`, secret: SECRET, path: '/auth/**' }
      await createWebhooks(view).createWebhook(webhook)
      await secrets.create('/auth/jwt', 'active_kid', 'k1')
      const { body, headers } = await arrived.promise
      const header = String(headers['x-infisical-signature'])
      const nowMs = Date.now()
      const told = verifyInfisicalWebhook({ rawBody: body, header, secrets: [SECRET], nowMs })
      const place = { projectId, environment: 'prod', path: '/auth/jwt' }
      expect(told).toMatchObject({ event: 'secrets.modified', ...place })
    } finally {
      await receiver.close()
      await dev.close()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
