import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type IdentitySpec, seedProject, startInfisicalDev } from '@keyturn/infisical-dev'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createSession,
  createTransport,
  type InfisicalError,
  type Session,
  type SessionEvent,
  type SessionOptions,
} from '../src/index.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { answerJson, type FakeServer, type SeenRequest, startFakeServer } from './fake-server.ts'

const UNIVERSAL = {
  method: 'universal-auth',
  clientId: 'the-client-id',
  clientSecret: 'the-client-secret',
} as const
const LOGIN = '/api/v1/auth/universal-auth/login'
const RENEW = '/api/v1/auth/token/renew'
const SECRET = '/api/v3/secrets/raw'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A server that grants token-1, token-2, … and accepts those that are not in `lost`. */
interface Grants {
  readonly server: FakeServer
  readonly lost: Set<string>
  ttl: number
  maxTtl: number
  /** Answered to logins or renewals in place of a grant. */
  refusal: { readonly path: string; readonly status: number; readonly error?: string } | undefined
  count(path: string): number
}

async function startGrants(): Promise<Grants> {
  let issued = 0
  const server = await startFakeServer((request, response) => {
    const { refusal } = grants
    const { path } = request
    if (refusal?.path === path) {
      const { status, error } = refusal
      return answerJson(response, status, { statusCode: status, message: 'refused', error })
    }
    if (path === LOGIN || path === RENEW) {
      issued += 1
      const times = { expiresIn: grants.ttl, accessTokenMaxTTL: grants.maxTtl }
      return answerJson(response, 200, { accessToken: `token-${issued}`, ...times })
    }
    const lost = grants.lost.has(tokenOf(request))
    const error = { statusCode: 401, message: 'No identity access token found' }
    return lost ? answerJson(response, 401, error) : answerJson(response, 200, { secrets: [] })
  })
  cleanups.push(server.close)
  const grants: Grants = {
    server,
    lost: new Set(),
    ttl: 100,
    maxTtl: 1000,
    refusal: undefined,
    count: (path) => server.requests.filter((request) => request.path === path).length,
  }
  return grants
}

const tokenOf = (request: SeenRequest | undefined) =>
  request?.headers.authorization?.replace('Bearer ', '') ?? 'none'

interface Started {
  readonly grants: Grants
  readonly clock: FakeClock
  readonly session: Session
  readonly events: SessionEvent[]
}

async function start(options: Partial<SessionOptions> = {}): Promise<Started> {
  const grants = await startGrants()
  const clock = createFakeClock()
  const events: SessionEvent[] = []
  const session = createSession({
    transport: createTransport({ siteUrl: grants.server.url }),
    credentials: UNIVERSAL,
    clock,
    schedule: clock.schedule,
    random: () => 0,
    onEvent: (event) => events.push(event),
    ...options,
  })
  cleanups.push(session.close)
  return { grants, clock, session, events }
}

const list = (session: Session) =>
  session.call((sdk) => sdk.secrets().listSecrets({ projectId: 'p', environment: 'e' }))
const lastToken = ({ server }: Grants) => tokenOf(server.requests.at(-1))
const settled = (check: () => void) => expect.poll(check, { interval: 5 })

async function renewed({ grants, session }: Started, renewals: number): Promise<void> {
  await settled(() => session.status().renewals).toBe(renewals)
  expect(grants.count(LOGIN)).toBe(1)
}

describe('the first call', () => {
  it('logs in with the credentials and no bearer, and then carries the token', async () => {
    const { grants, session } = await start()
    await list(session)
    const [login, call] = grants.server.requests
    expect(login).toMatchObject({ path: LOGIN, method: 'POST' })
    expect(tokenOf(login)).toBe('none')
    expect(JSON.parse(login?.body ?? '')).toEqual({
      clientId: 'the-client-id',
      clientSecret: 'the-client-secret',
    })
    expect(tokenOf(call)).toBe('token-1')
  })

  it('is one login however many come at once', async () => {
    const { grants, session } = await start()
    await Promise.all([list(session), list(session), session.login(), session.sdk()])
    expect(grants.count(LOGIN)).toBe(1)
  })

  it('fails with the reason of the login, and the next one tries again', async () => {
    const { grants, session, events } = await start()
    grants.refusal = { path: LOGIN, status: 401 }
    await expect(list(session)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(session.status().lastError).toMatchObject({ code: 'invalid_credentials' })
    grants.refusal = undefined
    await list(session)
    expect(session.status().lastError).toBeUndefined()
    expect(events.map(({ type, outcome }) => [type, outcome])).toEqual([
      ['login_failed', 'invalid_credentials'],
      ['login', 'ok'],
    ])
  })
})

describe('the status', () => {
  it('says how, since when and until when, in seconds', async () => {
    const { clock, session } = await start()
    expect(session.status()).toEqual({ method: 'universal-auth', renewals: 0 })
    await session.login()
    const now = clock.nowMs() / 1000
    expect(session.status()).toEqual({
      method: 'universal-auth',
      renewals: 0,
      since: now,
      expiresAt: now + 100,
    })
  })

  it('and the events hold no secret', async () => {
    const { session, events } = await start()
    await session.login()
    const shown = JSON.stringify([session.status(), events])
    for (const secret of ['token-1', 'the-client-secret']) expect(shown).not.toContain(secret)
  })
})

describe('a renewal', () => {
  it('comes at 80 % of the life of the token, and not before', async () => {
    const started = await start()
    const { grants, clock, session } = started
    await session.login()
    clock.advance(79_999)
    expect(clock.due()).toHaveLength(1)
    clock.advance(1)
    await renewed(started, 1)
    expect(grants.count(RENEW)).toBe(1)
  })

  it('comes up to 5 % earlier, so that processes that started together spread', async () => {
    const { clock, session } = await start({ random: () => 1 })
    await session.login()
    expect(clock.due()).toEqual([clock.nowMs() + 75_000])
  })

  it('stores the new token that newer servers answer, and sends no bearer along', async () => {
    const started = await start()
    const { grants, clock, session } = started
    await session.login()
    clock.advance(80_000)
    await renewed(started, 1)
    const renewal = grants.server.requests.at(-1)
    expect(tokenOf(renewal)).toBe('none')
    expect(JSON.parse(renewal?.body ?? '')).toEqual({ accessToken: 'token-1' })
    await list(session)
    expect(lastToken(grants)).toBe('token-2')
  })

  it('repeats for as long as the max TTL allows, then logs in again', async () => {
    const started = await start()
    const { grants, clock, session, events } = started
    grants.maxTtl = 250
    await session.login()
    clock.advance(80_000)
    await renewed(started, 1)
    // At 160 s a renewal would reach to 260 s, past the max TTL: servers destroy the token for it.
    clock.advance(80_000)
    await settled(() => grants.count(LOGIN)).toBe(2)
    await settled(() => events.map(({ type }) => type)).toEqual(['login', 'renew', 'login'])
    expect(session.status()).toMatchObject({ renewals: 0, since: clock.nowMs() / 1000 })
  })

  it.each([
    ['just reach the max TTL is still made', 180, RENEW],
    ['reach a second past the max TTL is a login instead', 179, LOGIN],
  ])('that would %s', async (_, maxTtl, path) => {
    const { grants, clock, session, events } = await start()
    grants.maxTtl = maxTtl
    await session.login()
    clock.advance(80_000)
    await settled(() => events).toHaveLength(2)
    expect(grants.server.requests.at(-1)?.path).toBe(path)
  })

  it('is a login where the TTL is the max TTL', async () => {
    const { grants, clock, session } = await start()
    grants.maxTtl = 100
    await session.login()
    clock.advance(80_000)
    await settled(() => grants.count(LOGIN)).toBe(2)
    expect(grants.count(RENEW)).toBe(0)
  })

  it('that finds the token gone logs in instead', async () => {
    const { grants, clock, session, events } = await start()
    await session.login()
    grants.refusal = { path: RENEW, status: 401 }
    clock.advance(80_000)
    await settled(() => grants.count(LOGIN)).toBe(2)
    await settled(() => events.map(({ type }) => type)).toEqual(['login', 'renew_failed', 'login'])
  })

  it('that meets a fault of the server is tried again while the token lives', async () => {
    const started = await start()
    const { grants, clock, session } = started
    await session.login()
    grants.refusal = { path: RENEW, status: 500 }
    clock.advance(80_000)
    await settled(() => session.status().lastError?.code).toBe('server_error')
    await settled(() => clock.due()).toEqual([clock.nowMs() + 5000])
    await list(session)
    expect(lastToken(grants)).toBe('token-1')
    grants.refusal = undefined
    clock.advance(5000)
    await renewed(started, 1)
  })

  it('waits longer when the identity itself is refused, so as not to lock it', async () => {
    const { grants, clock, session } = await start()
    grants.maxTtl = 100
    await session.login()
    grants.refusal = { path: LOGIN, status: 401 }
    clock.advance(80_000)
    await settled(() => clock.due()).toEqual([clock.nowMs() + 300_000])
  })

  it('is not planned for a token without an end', async () => {
    const { grants, clock, session } = await start()
    grants.ttl = 0
    grants.maxTtl = 0
    await session.login()
    expect(clock.due()).toEqual([])
    expect(session.status().expiresAt).toBeUndefined()
  })

  it('in a year is reached in steps that timers can hold', async () => {
    const started = await start()
    const { grants, clock, session } = started
    const year = 365 * 24 * 3600
    grants.ttl = year
    grants.maxTtl = 0
    await session.login()
    const [first = 0] = clock.due()
    expect(first - clock.nowMs()).toBeLessThan(2 ** 31)
    clock.advance(year * 1000 * 0.8 - 1)
    expect(grants.count(RENEW)).toBe(0)
    clock.advance(1)
    await renewed(started, 1)
  })
})

describe('a token that is lost', () => {
  it('is replaced once, by a new instance of the SDK, and the call repeated', async () => {
    const { grants, session } = await start()
    const before = await session.sdk()
    grants.lost.add('token-1')
    await list(session)
    expect(lastToken(grants)).toBe('token-2')
    expect(await session.sdk()).not.toBe(before)
    expect(grants.count(LOGIN)).toBe(2)
  })

  it.each([
    ['401', 401, 'UnauthorizedError'],
    ['403 TokenError', 403, 'TokenError'],
  ])('is known by %s, for writes too', async (_, status, error) => {
    const seen: string[] = []
    const server = await startFakeServer((request, response) => {
      if (request.path === LOGIN) {
        return answerJson(response, 200, { accessToken: `token-${seen.length}`, expiresIn: 60 })
      }
      seen.push(`${request.method} ${tokenOf(request)}`)
      return seen.length === 1
        ? answerJson(response, status, { statusCode: status, message: 'gone', error })
        : answerJson(response, 200, { done: true })
    })
    cleanups.push(server.close)
    const transport = createTransport({ siteUrl: server.url })
    const session = createSession({ transport, credentials: UNIVERSAL })
    cleanups.push(session.close)
    const write = { method: 'PATCH', path: '/api/v3/secrets/batch/raw', body: {} } as const
    expect(await session.request(write)).toEqual({ done: true })
    expect(seen).toEqual(['PATCH token-0', 'PATCH token-1'])
  })

  it('is replaced by one login however many calls find it lost', async () => {
    const { grants, session } = await start()
    await session.login()
    grants.lost.add('token-1')
    await Promise.all([list(session), list(session), list(session)])
    expect(grants.count(LOGIN)).toBe(2)
  })

  it('twice in one call is an error, not a loop', async () => {
    const { grants, session } = await start()
    for (const token of ['token-1', 'token-2']) grants.lost.add(token)
    await expect(list(session)).rejects.toMatchObject({ code: 'token_lost' })
    expect(grants.count(LOGIN)).toBe(2)
    expect(grants.count(SECRET)).toBe(2)
  })

  it('in the middle of an operation does not repeat what was answered before', async () => {
    const { grants, session } = await start()
    let runs = 0
    const operation = session.call(async (sdk) => {
      runs += 1
      await sdk.secrets().listSecrets({ projectId: 'p', environment: 'e' })
      grants.lost.add('token-1')
      await sdk.secrets().listSecrets({ projectId: 'p', environment: 'e' })
    })
    await expect(operation).rejects.toMatchObject({ code: 'token_lost' })
    expect(runs).toBe(1)
  })

  it('is not suspected when only the permission is missing', async () => {
    const server = await startFakeServer((request, response) =>
      request.path === LOGIN
        ? answerJson(response, 200, { accessToken: 'token', expiresIn: 60 })
        : answerJson(response, 403, { statusCode: 403, error: 'PermissionDenied', message: 'no' }),
    )
    cleanups.push(server.close)
    const transport = createTransport({ siteUrl: server.url })
    const session = createSession({ transport, credentials: UNIVERSAL })
    cleanups.push(session.close)
    await expect(list(session)).rejects.toMatchObject({ code: 'forbidden' })
    expect(server.requests).toHaveLength(2)
  })

  it('by its age is replaced before it is used', async () => {
    const { grants, clock, session } = await start({ schedule: () => () => {} })
    await session.login()
    clock.advance(99_999)
    await list(session)
    expect(grants.count(LOGIN)).toBe(1)
    clock.advance(1)
    await list(session)
    expect(grants.count(LOGIN)).toBe(2)
    expect(lastToken(grants)).toBe('token-2')
  })
})

describe('against a server that enforces its limits', () => {
  async function startDev(limits: Pick<IdentitySpec, 'accessTokenTTL' | 'accessTokenMaxTTL'>) {
    const dataDir = await mkdtemp(join(tmpdir(), 'keyturn-session-'))
    const clock = createFakeClock()
    const dev = await startInfisicalDev({ dataDir, clock })
    cleanups.push(async () => {
      await dev.close()
      await rm(dataDir, { recursive: true, force: true })
    })
    const name = 'token-service@journal'
    const privileges = [{ environment: 'prod', paths: ['/**'], actions: ['read'] as const }]
    const { projectId, identities } = await seedProject(dev.url, dev.adminToken, {
      projectName: 'journal',
      slug: 'journal-keys',
      identities: [{ name, privileges, ...limits }],
    })
    const { clientId = '', clientSecret = '' } = identities[name] ?? {}
    const events: SessionEvent[] = []
    const transport = createTransport({ siteUrl: dev.url })
    const session = createSession({
      transport,
      credentials: { method: 'universal-auth', clientId, clientSecret },
      clock,
      schedule: clock.schedule,
      onEvent: (event) => events.push(event),
    })
    cleanups.push(session.close)
    const read = () =>
      session.call((sdk) => sdk.secrets().listSecrets({ projectId, environment: 'prod' }))
    return { clock, events, read, session, transport }
  }

  it('stays logged in for ten lives of the token without one refusal', async () => {
    const { clock, events, read } = await startDev({ accessTokenTTL: 100, accessTokenMaxTTL: 350 })
    await read()
    for (let step = 0; step < 100; step++) {
      const before = events.length
      const due = clock.due().some((atMs) => atMs <= clock.nowMs() + 10_000)
      clock.advance(10_000)
      if (due) await settled(() => events.length).toBe(before + 1)
      await read()
    }
    const types = events.map(({ type }) => type)
    expect(new Set(types)).toEqual(new Set(['login', 'renew']))
    expect(types.filter((type) => type === 'login').length).toBeLessThan(types.length / 2)
  })

  it('comes back after its token was revoked', async () => {
    const { events, read, session, transport } = await startDev({})
    await read()
    const accessToken = (await session.sdk()).auth().getAccessToken()
    const path = '/api/v1/auth/token/revoke'
    await transport.request({ method: 'POST', path, body: { accessToken } })
    await read()
    expect(events.map(({ type }) => type)).toEqual(['login', 'login'])
  })

  it('comes back after a pause longer than any token lives', async () => {
    const { clock, events, read } = await startDev({ accessTokenTTL: 100, accessTokenMaxTTL: 100 })
    await read()
    // The machine slept: the time moves at once, and the renewal is late.
    clock.advance(1_000_000)
    await read()
    expect(events.every(({ outcome }) => outcome === 'ok')).toBe(true)
  })
})

describe('a static token', () => {
  it('is used as it is: no login, no renewal, no end', async () => {
    const { grants, clock, session } = await start({
      credentials: { method: 'token', token: 'static-token' },
    })
    await session.login()
    await list(session)
    expect(grants.server.requests.map(tokenOf)).toEqual(['static-token'])
    expect(clock.due()).toEqual([])
    expect(session.status()).toMatchObject({ method: 'token' })
  })

  it('that is lost is an error at once, as nothing can replace it', async () => {
    const { grants, session } = await start({
      credentials: { method: 'token', token: 'static-token' },
    })
    grants.lost.add('static-token')
    await expect(list(session)).rejects.toMatchObject({ code: 'token_lost' })
    expect(grants.server.requests).toHaveLength(1)
  })
})

describe('an open session', () => {
  it('keeps no process alive', async () => {
    const grants = await startGrants()
    const program = `
      import { createSession, createTransport } from ${JSON.stringify(import.meta.resolve('../src/index.ts'))}
      const transport = createTransport({ siteUrl: ${JSON.stringify(grants.server.url)} })
      const session = createSession({ transport, credentials: ${JSON.stringify(UNIVERSAL)} })
      await session.login()
      console.log('logged in')
    `
    const args = ['--input-type=module', '--eval', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 })
    expect(stdout).toBe('logged in\n')
  })
})

describe('a closed session', () => {
  it('refuses every call and leaves no timer', async () => {
    const { clock, session } = await start()
    await session.login()
    session.close()
    expect(clock.due()).toEqual([])
    await expect(list(session)).rejects.toMatchObject({ code: 'session_closed' })
    await expect(session.login()).rejects.toMatchObject({ code: 'session_closed' })
  })

  it('does not take up a login that was under way', async () => {
    const { clock, session } = await start()
    const login = session.login().catch((error: InfisicalError) => error.code)
    session.close()
    expect(await login).toBe('session_closed')
    expect(clock.due()).toEqual([])
    expect(session.status().since).toBeUndefined()
  })
})
