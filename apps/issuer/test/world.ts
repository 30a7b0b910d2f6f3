import { type Clock, systemClock } from '@keyturn/auth-core'
import {
  definePolicy,
  generateFreshKey,
  type Keyring,
  type KeyringKey,
  type Policy,
  type PrivateJwk,
  type Revocation,
} from '@keyturn/auth-core/signing'
import { verifyInfisicalWebhook } from '@keyturn/infisical'
import { createApp } from '../src/app.ts'
import type { Client } from '../src/clients/client.ts'
import { digestSecret } from '../src/clients/secret.ts'
import type { Config } from '../src/config.ts'
import type { HeldKeys } from '../src/keys/held-keys.ts'
import { createKeyHolder } from '../src/keys/holder.ts'
import type { KeyringRead, KeyringReader } from '../src/keys/keyring-reader.ts'
import { createReloader } from '../src/keys/reload.ts'
import { createPrivateApp } from '../src/private-app.ts'
import { openSqlite } from '../src/storage/sqlite.ts'
import type { Storage } from '../src/storage/storage.ts'
import { createLog } from '../src/telemetry/log.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'

export const ISSUER = 'http://127.0.0.1:4000'
export const T0 = 1_795_000_000
export const SECRET = 'q7Z0nq3O3yq0m4hX1t9oQ0cCzB1mVt0Qb3s0l9a2d5E'
export const WEBHOOK_SECRET = 'a-webhook-secret-of-32-characters'

/** A clock that stands until it is set. Waits are real: they are short. */
export interface FakeClock extends Clock {
  set(seconds: number): void
}

export function createFakeClock(seconds = T0): FakeClock {
  let nowMs = seconds * 1000
  return {
    nowMs: () => nowMs,
    sleep: systemClock.sleep,
    set: (to) => {
      nowMs = to * 1000
    },
  }
}

/** Keys of one life: signing since T0 - 1000, with its successor. */
export async function makeKeyring(
  revision = T0 * 1000,
): Promise<Keyring & { readonly current: KeyringKey; readonly next: KeyringKey }> {
  const staged = await generateFreshKey('EdDSA', T0 - 2000)
  const current = { ...staged, jwk: { ...staged.jwk, nbf: T0 - 1000 } }
  const next = await generateFreshKey('EdDSA', T0 - 1000)
  return { keys: [next, current], revocations: [], revision, current, next }
}

/** A keyring reader that answers what the test says, and counts. */
export interface FakeReader extends KeyringReader {
  answer: () => Promise<KeyringRead>
  revocations: readonly Revocation[]
  reads: number
}

export function createFakeReader(read: KeyringRead): FakeReader {
  const reader: FakeReader = {
    answer: async () => read,
    revocations: [],
    reads: 0,
    read() {
      reader.reads++
      return reader.answer()
    },
    readRevocations: async () => reader.revocations,
  }
  return reader
}

export async function makePingKey(): Promise<PrivateJwk> {
  const { privateJwk } = await generateFreshKey('EdDSA', T0)
  if (!privateJwk) throw new Error('a fresh key has a private half')
  return privateJwk
}

export interface WorldOptions {
  readonly policy?: Partial<Policy>
  readonly storage?: Storage
  readonly config?: Partial<Config>
  readonly onChange?: (keys: HeldKeys) => void
  /** Default true: the keyring is loaded. */
  readonly loaded?: boolean
}

/** The whole issuer in one process, with a reader that the test drives. */
export async function createWorld(options: WorldOptions = {}) {
  const clock = createFakeClock()
  const keyring = await makeKeyring()
  const pingKey = await makePingKey()
  const propagation = { edges: [], pingKey, webhookSecrets: [WEBHOOK_SECRET] }
  const read: KeyringRead = { keyring, notes: [], propagation }
  const reader = createFakeReader(read)
  const lines: string[] = []
  const log = createLog('trace', { write: (line) => void lines.push(line) })
  const metrics = createMetrics({ staleness: () => 0 })
  const policy = definePolicy(options.policy)
  const holder = createKeyHolder({ policy, clock })
  const reloader = createReloader({
    reader,
    holder,
    clock,
    log,
    onReload: (trigger, { outcome }) => metrics.reload(trigger, outcome),
    onChange: options.onChange ?? (() => undefined),
  })
  const storage = options.storage ?? openSqlite(':memory:', clock)
  const stopping = { now: false }
  const config = {
    issuer: ISSUER,
    jwksUri: 'https://edge.example/.well-known/jwks.json',
    policy,
    private: { host: '127.0.0.1', port: 4001 },
    ...options.config,
  }
  const shared = { config, keys: holder, reloader, storage, clock, log, metrics }
  const app = createApp({
    ...shared,
    verifyWebhook: verifyInfisicalWebhook,
    isStopping: () => stopping.now,
  })
  const privateApp = createPrivateApp({
    ...shared,
    loginStatus: () => ({
      method: 'universal-auth',
      since: T0,
      expiresAt: T0 + 600,
      renewals: 2,
    }),
    startedAtMs: (T0 - 30) * 1000,
  })
  if (options.loaded ?? true) await reloader.reload('boot')
  return {
    app,
    privateApp,
    clock,
    keyring,
    read,
    reader,
    holder,
    reloader,
    storage,
    metrics,
    lines,
    stopping,
    pingKey,
    policy,
  }
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** Registers a client whose id and secret the test chooses. */
export async function addClient(storage: Storage, client: Partial<Client> = {}, secret = SECRET) {
  const added: Client = {
    clientId: 'orders',
    name: 'Orders',
    scopes: ['orders.read', 'orders.write'],
    audiences: ['https://api.example'],
    createdAt: T0,
    ...client,
  }
  await storage.clients.add(added, { sha256: digestSecret(secret), createdAt: T0 })
  return added
}

/** RFC 6749 section 2.3.1: both halves form-encoded, then base64. */
export function basic(clientId: string, secret = SECRET): string {
  const encode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2)
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')}`
}

/** Sends a form to the token endpoint. */
export function requestToken(
  app: World['app'],
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return Promise.resolve(
    app.request('/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    }),
  )
}
