import { createExecutionContext, reset } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import {
  type AccessTokenClaims,
  jwksDigest,
  type Ping,
  type PublicJwk,
  parseJwks,
  parsePingKeys,
  systemClock,
} from '@keyturn/auth-core'
import {
  createPingSigner,
  createSigner,
  generateFreshKey,
  type PrivateJwk,
  signAccessToken,
} from '@keyturn/auth-core/signing'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { createApp, type HubPort } from '../src/app.ts'
import { type EdgeConfig, parseConfig } from '../src/config.ts'
import { createIsolateKeys, type SnapshotPort } from '../src/isolate-keys.ts'
import { HUB_NAME } from '../src/key-hub.ts'
import { consoleLog, type Log } from '../src/log.ts'
import { WORKER_VARS } from './worker-vars.ts'

export const ISSUER = WORKER_VARS.ISSUER
export const AUDIENCE = 'https://api.test'
export const JWKS_TYPE = 'application/jwk-set+json'

/** The private half of the ping key in `WORKER_VARS`. */
const PING_KEY: PrivateJwk = {
  kty: 'OKP',
  crv: 'Ed25519',
  x: 'NGyZE8h4eowao3IHjBKHlXYyqXNoNxAbB0x4JYDEfFU',
  d: 'Rf8sBzBSQF0pz8tHpLG5aWCmkZp1DJ4jLSqM0vP2ymU',
  kid: 'vLIyPZ-Ai0NIEDk65RioVLPe6FgBP1Gaw7Ou9zL9iMU',
  alg: 'EdDSA',
}

/** Everything that must never be written: each token that was signed, and the Access secret. */
const secrets = new Set<string>([WORKER_VARS.ACCESS_CLIENT_SECRET])
const written: string[] = []

/** What the Worker wrote to its console since the test began. */
export function consoleLines(): readonly string[] {
  return written
}

/** A key, and tokens signed by it. */
export async function newKey() {
  const { kid, jwk, privateJwk } = await generateFreshKey('EdDSA', 1_795_000_000)
  if (!privateJwk) throw new Error('a fresh key has its private half')
  const signer = await createSigner(privateJwk, jwk)
  return {
    kid,
    jwk,
    token: async (claims: Partial<Record<keyof AccessTokenClaims, unknown>> = {}) => {
      const all = { ...sampleClaims(), ...claims } as AccessTokenClaims
      const token = await signAccessToken(signer, all)
      // The header is the same for every token of a key; the rest is nobody's business.
      for (const segment of token.split('.').slice(1)) secrets.add(segment)
      return token
    },
  }
}

export type TestKey = Awaited<ReturnType<typeof newKey>>

export function sampleClaims(): AccessTokenClaims {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: ISSUER,
    sub: 'client:reports',
    aud: AUDIENCE,
    exp: now + 600,
    iat: now,
    jti: crypto.randomUUID(),
    client_id: 'reports',
    scope: 'reports:read',
  }
}

interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly delayMs?: number
  readonly down?: boolean
}

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

async function control(path: string, body?: unknown): Promise<SeenRequest[]> {
  const response = await fetch(`https://control.test${path}`, {
    method: 'POST',
    body: JSON.stringify(body ?? {}),
  })
  return await response.json()
}

/** Steers the origin of the JWKS, and every other host. */
export const origin = {
  answer: (answer: Answer, host = 'origin.test') => control('/answers', { [host]: answer }),
  down: () => control('/answers', { 'origin.test': { down: true } }),
  clear: () => control('/clear'),
  requests: () => control('/requests'),
  /** How often the JWKS was fetched. */
  fetches: async () =>
    (await control('/requests')).filter(({ url }) => url === WORKER_VARS.JWKS_URL).length,
  publish: (
    keys: readonly TestKey[],
    revision: number,
    { revoked = [], delayMs = 0 }: { revoked?: readonly string[]; delayMs?: number } = {},
  ) =>
    origin.answer({
      headers: { 'content-type': JWKS_TYPE },
      body: JSON.stringify({ keys: keys.map(({ jwk }) => jwk), revision, revoked }),
      delayMs,
    }),
}

export const hubStub = () => env.HUB.getByName(HUB_NAME)

beforeEach(() => {
  written.length = 0
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation((...words: unknown[]) => {
      written.push(words.map(String).join(' '))
    })
  }
})

afterEach(() => {
  vi.restoreAllMocks()
  const found = [...secrets].filter((secret) => written.some((line) => line.includes(secret)))
  expect(found, 'tokens and secrets in the log').toEqual([])
})

/** Ends what the test before left: storage, objects, answers, the moved clock. */
export async function freshWorld(): Promise<void> {
  vi.useRealTimers()
  await reset()
  await origin.clear()
}

/** Moves the clock of the Worker; timers stay real. */
export function pass(ms: number): void {
  const now = Date.now() + ms
  vi.useFakeTimers({ toFake: ['Date'], now })
}

/** One isolate of the Worker: an app with keys of its own, bound to the one hub. */
export function newIsolate(
  change: Partial<EdgeConfig> = {},
  {
    snapshots = env.KEYS,
    health = async () => await hubStub().health(),
  }: { snapshots?: SnapshotPort; health?: HubPort['health'] } = {},
) {
  const clock = systemClock
  const config = { ...parseConfig({ ...env, ...WORKER_VARS }), ...change }
  const lines: Record<string, unknown>[] = []
  const log: Log = (event, facts) => {
    lines.push({ event, ...facts })
    consoleLog(event, facts)
  }
  const keys = createIsolateKeys({ ...config, snapshots, clock, log })
  const ready = parsePingKeys(config.pingPublicKeys).then((pingKeys) =>
    createApp({
      config,
      keys,
      pingKeys,
      clock,
      log,
      hub: {
        ping: async (ping) => await hubStub().ping(ping),
        health,
      },
    }),
  )
  async function request(path: string, init?: RequestInit): Promise<Response> {
    const app = await ready
    return await app.fetch(
      new Request(`https://edge.test${path}`, init),
      env,
      createExecutionContext(),
    )
  }
  return {
    lines,
    keys,
    request,
    get: (path: string, token?: string) =>
      request(path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ping: async (ping: Ping, change: SendChange = {}) => send(request, ping, change),
  }
}

export interface SendChange {
  readonly key?: PrivateJwk
  readonly at?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Sees the request as it is sent. */
  readonly onSend?: (init: RequestInit) => void
}

async function send(
  request: (path: string, init: RequestInit) => Promise<Response>,
  ping: Ping,
  { key = PING_KEY, at = Math.floor(Date.now() / 1000), headers, body, onSend }: SendChange,
): Promise<Response> {
  const signed = await (await createPingSigner(key)).sign(ping, at)
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signed.headers, ...headers },
    body: body ?? signed.body,
  }
  onSend?.(init)
  return await request('/internal/rotation', init)
}

/** The data of a ping that announces these keys at a revision. */
export async function keysAt(keys: readonly TestKey[], revision: number, issuer = ISSUER) {
  const { keys: jwks } = parseJwks({ keys: keys.map(({ jwk }): PublicJwk => jwk) })
  return { issuer, revision, jwks_sha256: await jwksDigest({ keys: jwks }) }
}
