import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type Receiver, startReceiver } from './receiver.ts'
import {
  createIdBook,
  isConstant,
  mapTexts,
  normalised,
  type Recording,
  readRecordings,
  unabbreviate,
  without,
} from './replay.ts'
import { createManualClock, startWorld, type World } from './world.ts'

/** Recordings that are not replayed, and why. */
const outOfScope: Readonly<Record<string, string>> = {
  'secret-approval-policy-create': 'approval policies are not emulated',
  'secret-approval-policy-list': 'approval policies are not emulated',
  'project-trusted-ip-create': 'trusted IPs are not emulated',
  'ua-trusted-ip-set (plan gated)': 'trusted IPs are not emulated',
  'org-plan': 'licensing is not emulated',
  'audit-logs': 'audit logs are not emulated',
  'dynamic-secret': 'dynamic secrets are not emulated',
  groups: 'groups are not emulated',
  'import-create': 'secret imports are not emulated',
  'list-include-imports': 'secret imports are not emulated',
  'get-imported-secret-include-imports': 'secret imports are not emulated',
  'secret-versions-admin-jwt': 'version history is not kept',
  'secret-versions-identity-token': 'version history is not kept',
  'list-after-failures': 'shows the outcome of deliveries that were not recorded as calls',
}

const identityNames = [
  'token-service@journal',
  'rotator@ops',
  'noaccess@test',
  'short-ttl@test',
  'limited-uses@test',
] as const
type IdentityName = (typeof identityNames)[number]

/** Whose bearer a call carried; the recordings show only that there was one. */
type Bearer = 'admin' | 'none' | IdentityName | { readonly raw: string }

const clock = createManualClock(Date.UTC(2026, 10, 21, 2))
const ids = createIdBook()
const clientSecrets = new Map<string, string>()
const tokens = new Map<string, string>()
const tags = new Map<string, string>()
let world: World
let receiver: Receiver
let address = 0

beforeAll(async () => {
  // So long a delay that no delivery of the replayed writes meets the replayed webhooks.
  world = await startWorld({ clock, rateLimits: true, webhookDelayMs: 600_000 })
  receiver = await startReceiver()
})

afterAll(async () => {
  await receiver.end()
  await world.end()
})

// Every call comes from another address, so that no limit is met by accident.
const nextAddress = () => `10.0.${Math.floor(address / 250)}.${(address++ % 250) + 1}`

/** What a call needs beside what was recorded. */
interface Arrangement {
  readonly bearer?: Bearer
  /** The token in the body of a renewal or revocation. */
  readonly bodyToken?: string | undefined
  readonly rawBody?: string
  readonly clientSecret?: string | undefined
  readonly ifNoneMatch?: string | undefined
  readonly from?: string
  /** Members whose values depend on calls that were not recorded. */
  readonly loose?: readonly string[]
}

async function replay(name: string, { request, response }: Recording, how: Arrangement) {
  const toHere = (text: string) =>
    unabbreviate(ids.translate(text).replace('http://127.0.0.1:9911', receiver.url))
  const written = (text: string): string => {
    if (text === '<jwt>') return how.bodyToken ?? 'no token was arranged'
    const [, who] = /^<clientSecret:(.+)>$/.exec(text) ?? []
    if (who !== undefined) return clientSecrets.get(who) ?? 'no client secret was kept'
    if (text === '<clientSecret>') return how.clientSecret ?? 'no client secret was arranged'
    return toHere(text)
  }
  const jsonBody =
    request.body === undefined ? undefined : JSON.stringify(mapTexts(request.body, written))
  const requestBody = how.rawBody ?? jsonBody
  const answer = await fetch(`${world.url}${toHere(request.path)}`, {
    method: request.method,
    headers: {
      'x-forwarded-for': how.from ?? nextAddress(),
      ...(requestBody !== undefined && { 'content-type': 'application/json' }),
      ...request.headers,
      ...(how.ifNoneMatch !== undefined && { 'if-none-match': how.ifNoneMatch }),
      ...authorization(how.bearer ?? 'none'),
    },
    ...(requestBody !== undefined && { body: requestBody }),
  })
  const text = await answer.text()
  const body: unknown = text === '' ? '' : JSON.parse(text)

  expect({ status: answer.status, body: answer.ok ? '' : body }).toEqual({
    status: response.status,
    body: answer.ok ? '' : mapTexts(response.body, toHere),
  })
  ids.learn(response.body, body)
  const loose = how.loose ?? []
  const recorded = mapTexts(response.body, (value) => (value === '<jwt>' ? value : toHere(value)))
  expect(without(normalised(body), loose)).toEqual(without(normalised(recorded), loose))
  expect(answer.headers.get('x-ratelimit-limit')).toBe(limitOf(name, response))
  if (isConstant(response.body) && response.body !== '' && !toHere(request.path).includes('KKK')) {
    expect(answer.headers.get('etag')).toBe(response.headers.etag)
  }
  tags.set(name, answer.headers.get('etag') ?? '')
  return { body, headers: answer.headers }
}

// A body that cannot be read is refused before it is counted there, and after it here.
const limitOf = (name: string, { status, headers }: Recording['response']) =>
  status === 500 && name === 'login-bad-json' ? '200' : (headers['x-ratelimit-limit'] ?? null)

function authorization(bearer: Bearer): Record<string, string> {
  if (bearer === 'none') return {}
  if (typeof bearer === 'object') return { authorization: bearer.raw }
  const token = bearer === 'admin' ? world.server.adminToken : tokens.get(bearer)
  return { authorization: `Bearer ${token}` }
}

async function login(name: IdentityName) {
  const clientId = ids.translate(clientIds[name])
  const clientSecret = clientSecrets.get(name) ?? ''
  const token = await world.login({ clientId, clientSecret })
  tokens.set(name, token)
  return token
}

/** The client ids of the recorded server. */
const clientIds: Readonly<Record<IdentityName, string>> = {
  'token-service@journal': '311aa402-e06f-4baf-904d-c4d8acda631b',
  'rotator@ops': '10919dbe-8185-4e65-ad6e-03b4f3788d24',
  'noaccess@test': 'fe2831a7-f648-43f4-ab03-3e655bfc7860',
  'short-ttl@test': '5b2abe25-8ab7-44b6-807f-6fcedcbee21c',
  'limited-uses@test': '547afe98-587f-4dd4-a1c2-02f3bc581db6',
}

function replayFile(
  file: string,
  arrange: (name: string) => Arrangement | Promise<Arrangement>,
  after: (name: string, body: unknown) => void = () => {},
) {
  for (const [name, recording] of readRecordings(file)) {
    const reason = outOfScope[name]
    if (reason !== undefined) {
      test.skip(`${name} (${reason})`)
      continue
    }
    test(name, async () => {
      const { body } = await replay(name, recording, await arrange(name))
      after(name, body)
    })
  }
}

describe('setup: projects, identities and folders are created as recorded', () => {
  replayFile(
    'setup',
    () => ({ bearer: 'admin', loose: ['clientSecretPrefix'] }),
    (name, body) => {
      const [kind, identity] = name.split(' ')
      if (kind !== 'ua-client-secret' || identity === undefined) return
      clientSecrets.set(identity, (body as { clientSecret: string }).clientSecret)
    },
  )
})

describe('community edition: memberships, roles and privileges are granted as recorded', () => {
  replayFile('community-edition', () => ({ bearer: 'admin' }))
})

describe('universal auth: logins and tokens live and end as recorded', () => {
  const ts: IdentityName = 'token-service@journal'
  const short: IdentityName = 'short-ttl@test'
  const limited: IdentityName = 'limited-uses@test'
  let endingSecret: string
  let extraSecret = ''

  const addClientSecret = async (limits: { ttl: number; numUsesLimit: number }) => {
    const identityId = ids.translate('8cf6c7cc-cd92-4b6d-9c2e-9101c13828e5')
    const { body } = await world.call(
      `POST /api/v1/auth/universal-auth/identities/${identityId}/client-secrets`,
      {
        token: world.server.adminToken,
        body: limits,
        headers: { 'x-forwarded-for': nextAddress() },
      },
    )
    extraSecret = body.clientSecret
    return extraSecret
  }
  const after = (ms: number, how: Arrangement): Arrangement => {
    clock.advance(ms)
    return how
  }
  const withBodyTokenOf = (name: IdentityName): Arrangement => ({ bodyToken: tokens.get(name) })
  const parts = () => (tokens.get(ts) ?? '').split('.')

  const arrangements: Readonly<Record<string, () => Arrangement | Promise<Arrangement>>> = {
    'login-bad-json': () => ({ rawBody: '{"clientId": ' }),
    'login-form-urlencoded': () => ({
      rawBody: new URLSearchParams({
        clientId: ids.translate(clientIds[ts]),
        clientSecret: clientSecrets.get(ts) ?? '',
      }).toString(),
    }),
    'login-limited-secret-use-1-of-1': async () => ({
      clientSecret: await addClientSecret({ ttl: 0, numUsesLimit: 1 }),
    }),
    'login-client-secret-usage-limit-exceeded': () => ({ clientSecret: extraSecret }),
    'login-client-secret-usage-limit-exceeded-again': () => ({ clientSecret: extraSecret }),
    'login-client-secret-expired': async () => {
      const clientSecret = await addClientSecret({ ttl: 1, numUsesLimit: 0 })
      return after(1001, { clientSecret })
    },
    'renew-success': () => withBodyTokenOf(ts),
    'renew-user-jwt': () => ({ bodyToken: world.server.adminToken }),
    'revoke-success': () => {
      endingSecret = tokens.get(ts) ?? ''
      return withBodyTokenOf(ts)
    },
    'revoke-again': () => ({ bodyToken: endingSecret }),
    'use-revoked-token': () => ({ bearer: ts }),
    'renew-revoked-token': () => withBodyTokenOf(ts),
    'short-ttl-in-time (403 permission)': () => ({ bearer: short }),
    'use-after-ttl-before-max (row deleted)': () => after(3001, { bearer: short }),
    'use-after-ttl-second-time': () => ({ bearer: short }),
    'renew-after-ttl': () => withBodyTokenOf(short),
    'renew-at-2s (2+3<6: ok)': () => after(2000, withBodyTokenOf(short)),
    'renew-at-3.7s (3.7+3>6: refused and token destroyed)': () =>
      after(1700, withBodyTokenOf(short)),
    'use-after-refused-renew': () => ({ bearer: short }),
    'renew c': () => after(2000, withBodyTokenOf(short)),
    'use-after-max-ttl (jwt exp passed)': () => after(4000, { bearer: short }),
    'renew-after-max-ttl': () => withBodyTokenOf(short),
    'revoke-after-max-ttl': () => withBodyTokenOf(short),
    'limited-token-use-1': () => ({ bearer: limited }),
    'limited-token-use-2': () => ({ bearer: limited }),
    'limited-token-use-3': () => ({ bearer: limited }),
    'limited-token-use-4': () => ({ bearer: limited }),
    'malformed-token': () => ({ bearer: { raw: 'Bearer garbage' } }),
    'wrong-signature-token': () => {
      const [header, payload] = parts()
      return { bearer: { raw: `Bearer ${header}.${payload}.${'A'.repeat(43)}` } }
    },
    'alg-none-token': () => {
      const header = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
      return { bearer: { raw: `Bearer ${header}.${parts()[1]}.` } }
    },
    'basic-auth-header': () => ({ bearer: { raw: 'Basic dXNlcjpwYXNz' } }),
    'admin-jwt-on-secrets': () => ({ bearer: 'admin' }),
    'login-with-stale-authorization-header': () => ({ bearer: short }),
    'renew-with-stale-authorization-header': () => ({ ...withBodyTokenOf(ts), bearer: short }),
  }
  const loggedIn: Readonly<Record<string, IdentityName>> = {
    'login-success': ts,
    'login-for-revoke': ts,
    'login-ttl3-max6': short,
    'login-ttl3-max6 b': short,
    'login-ttl3-max6 c': short,
    'login-numuses-2': limited,
  }

  replayFile(
    'auth-universal',
    (name) => arrangements[name]?.() ?? {},
    (name, body) => {
      const identity = loggedIn[name]
      if (identity) tokens.set(identity, (body as { accessToken: string }).accessToken)
    },
  )
})

describe('secrets: they are read and written as recorded', () => {
  beforeAll(async () => {
    await login('token-service@journal')
    await login('rotator@ops')
    await login('noaccess@test')
  })

  const readers =
    /no-permission|^get-|^list|^create-lowercase|not-permitted|^project-get|^after-failed-batch$/
  const bearerOf = (name: string): Bearer => {
    if (name.includes('noaccess')) return 'noaccess@test'
    if (/rotator|list-empty-folder|reference|after-failed|imported/.test(name)) return 'rotator@ops'
    return readers.test(name) ? 'token-service@journal' : 'rotator@ops'
  }

  replayFile('secrets', (name) => ({
    bearer: bearerOf(name),
    ...(name === 'list-if-none-match' && { ifNoneMatch: tags.get('list') }),
  }))

  test('an unchanged list keeps its entity tag', () => {
    expect(tags.get('list')).toBeTruthy()
    expect(tags.get('list-again-etag')).toBe(tags.get('list'))
  })
})

describe('rate limits: a route and client address has so many requests a minute', () => {
  const reader: Bearer = 'token-service@journal'
  const from = '198.51.100.7'
  const spend = async (route: string, times: number) => {
    const headers = { 'x-forwarded-for': from, ...authorization(reader) }
    for (let sent = 0; sent < times; sent += 1) {
      expect((await world.call(route, { headers })).status).toBe(200)
    }
  }
  const readOne = () =>
    `GET ${ids.translate(
      '/api/v3/secrets/raw/active_kid?workspaceId=adadb5cc-5f03-4433-9cbc-79e109b2ee6d&environment=prod&secretPath=/auth/jwt',
    )}`

  for (const [name, recording] of readRecordings('rate-limit')) {
    test(name, async () => {
      if (name === 'secrets-read 429') await spend(readOne(), 39)
      if (name.includes('+2s')) clock.advance(2000)
      if (name === 'login 429') {
        const route = 'POST /api/v1/auth/universal-auth/login'
        const headers = { 'x-forwarded-for': from }
        for (let sent = 0; sent < 199; sent += 1) await world.call(route, { headers })
      }
      const isRead = recording.request.method === 'GET'
      const forwarded = recording.request.headers?.['x-forwarded-for']
      const { headers } = await replay(name, recording, {
        bearer: isRead ? reader : 'none',
        from: forwarded ?? from,
      })
      for (const header of ['retry-after', 'x-ratelimit-remaining']) {
        expect(headers.get(header)).toBe(recording.response.headers[header] ?? null)
      }
      if (recording.response.status === 429 && !name.startsWith('login')) {
        expect(headers.get('x-ratelimit-reset')).toBe(
          recording.response.headers['x-ratelimit-reset'],
        )
      }
    })
  }
})

describe('large and odd values: they come back as recorded', () => {
  replayFile('large-values', () => ({ bearer: 'rotator@ops' }))
})

describe('webhooks: the user manages them as recorded', () => {
  // Ciphertext of the recorded server's own store; and outcomes of deliveries in between.
  const encrypted = ['encryptedSecretKey', 'iv', 'tag', 'algorithm', 'keyEncoding']
  const encryptedUrl = ['urlCipherText', 'urlIV', 'urlTag']
  const outcome = ['lastStatus', 'lastRunErrorMessage']

  replayFile('webhooks', (name) => {
    receiver.answerWith(name === 'test-receiver-500' ? 500 : 200)
    return {
      bearer: name === 'create-as-identity-refused' ? 'rotator@ops' : 'admin',
      loose: name.startsWith('delete') ? [...encrypted, ...encryptedUrl, ...outcome] : [],
    }
  })
})

describe('permissions: roles and their conditions decide as recorded', () => {
  // Those secrets had been written some more times before, in calls that were not recorded.
  const history = ['version', 'secretValue']
  const builtIn: Readonly<Record<string, string>> = {
    'built-in role viewer: prod /auth/jwt': 'viewer',
    'built-in role member: prod /auth/jwt': 'member',
    'built-in role admin: prod /auth/jwt': 'admin',
    'built-in role no-access: prod /auth/jwt': 'no-access',
  }

  replayFile('permissions', async (name) => {
    const role = builtIn[name]
    if (role !== undefined) {
      const route = ids.translate(
        'PATCH /api/v2/workspace/adadb5cc-5f03-4433-9cbc-79e109b2ee6d/identity-memberships/8cf6c7cc-cd92-4b6d-9c2e-9101c13828e5',
      )
      const headers = { 'x-forwarded-for': nextAddress() }
      const body = { roles: [{ role }] }
      await world.call(route, { token: world.server.adminToken, body, headers })
    }
    return {
      bearer: /^role|assign/.test(name) ? 'admin' : 'noaccess@test',
      loose: history,
    }
  })
})
