#!/usr/bin/env node
import { nowSeconds, systemClock } from '@keyturn/auth-core'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  type InfisicalConfig,
  isInfisicalError,
  readInfisicalConfig,
  type Session,
  type SessionEvent,
  verifyInfisicalWebhook,
} from '@keyturn/infisical'
import { collectDefaultMetrics } from 'prom-client'
import { createApp } from './app.ts'
import { during, explainBootFailure, explainProblems } from './boot-failure.ts'
import { type Config, parseConfig } from './config.ts'
import type { HeldKeys } from './keys/held-keys.ts'
import { createKeyHolder, type KeyHolder } from './keys/holder.ts'
import { createInfisicalReader } from './keys/infisical-reader.ts'
import { createPinger } from './keys/pings.ts'
import { pollEvery } from './keys/polling.ts'
import { createReloader, type Reloader } from './keys/reload.ts'
import { listen } from './listener.ts'
import { createPrivateApp } from './private-app.ts'
import { openSqlite } from './storage/sqlite.ts'
import { createLog, type Logger } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { stalenessOf } from './telemetry/security-health.ts'

const IDENTITY = 'token-service@journal'
const clock = systemClock

/** Reads the environment; prints everything that is wrong with it and ends where something is. */
function readEnvironment(): { config: Config; infisical: InfisicalConfig } {
  const { config, problems = [] } = parseConfig(process.env)
  const infisical = tryInfisicalConfig()
  if (config && typeof infisical !== 'string') return { config, infisical }
  return refuse(
    explainProblems([...problems, ...(typeof infisical === 'string' ? [infisical] : [])]),
  )
}

function tryInfisicalConfig(): InfisicalConfig | string {
  try {
    return readInfisicalConfig(process.env, { purpose: 'token-service' })
  } catch (error) {
    if (isInfisicalError(error, 'invalid_config')) return error.message
    throw error
  }
}

function refuse(explanation: string): never {
  process.stderr.write(explanation)
  process.exit(1)
}

/** What every part of the process shares. */
interface Core {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly holder: KeyHolder
  readonly stop: AbortController
}

function createCore(config: Config): Core {
  const holder = createKeyHolder({ policy: config.policy, clock })
  const staleness = () => {
    const held = holder.held()
    return held ? stalenessOf(held, clock.nowMs()) : Number.NaN
  }
  const metrics = createMetrics({ staleness })
  collectDefaultMetrics({ register: metrics.registry })
  return { config, log: createLog(config.logLevel), metrics, holder, stop: new AbortController() }
}

/** Logs in before anything else: without the store there is nothing to serve. */
async function login(infisical: InfisicalConfig, { log, metrics }: Core): Promise<Session> {
  if (infisical.staticToken) {
    log.warn('INFISICAL_TOKEN is used as it is and ends without being replaced')
  }
  const session = createSession({
    transport: createTransport(infisical),
    credentials: infisical.credentials,
    onEvent: ({ type, method, outcome, ms }: SessionEvent) => {
      log[outcome === 'ok' ? 'info' : 'error']({ type, method, outcome, ms }, 'infisical session')
      if (type === 'login' || type === 'login_failed') metrics.login(method, outcome, ms)
    },
  })
  await during(`logging in to Infisical as ${IDENTITY}`, () => session.login())
  return session
}

/** Loads the keyring, or rejects with the reason why there is none to hold. */
async function loadKeys(
  session: Session,
  { projectId, environment }: InfisicalConfig,
  { log, metrics, holder }: Core,
  onChange: (keys: HeldKeys) => void,
): Promise<{ readonly reloader: Reloader; readonly held: HeldKeys }> {
  const secrets = createSecrets({ session, projectId, environment })
  const store = createKeyringStore({ secrets, nowSeconds: () => nowSeconds(clock) })
  const reloader = createReloader({
    reader: createInfisicalReader({ store, secrets, log }),
    holder,
    clock,
    log,
    onReload: (trigger, { outcome }) => metrics.reload(trigger, outcome),
    onChange,
  })
  const { error } = await reloader.reload('boot')
  const held = holder.held()
  if (!held) throw new Error('loading the keyring from Infisical', { cause: error })
  return { reloader, held }
}

async function boot({ config, infisical }: ReturnType<typeof readEnvironment>): Promise<void> {
  const startedAtMs = clock.nowMs()
  const core = createCore(config)
  const { log, metrics, holder, stop } = core
  const { signal } = stop
  const ping = createPinger({
    issuer: config.issuer,
    fetch,
    clock,
    log,
    onPing: metrics.ping,
    signal,
  })
  // A pinged edge asks at once, so nothing is pinged before somebody answers.
  let listening = false
  const session = await login(infisical, core)
  const { reloader, held } = await loadKeys(session, infisical, core, (keys) => {
    if (listening) void ping(keys)
  })
  const storage = openSqlite(config.database, clock)
  const parts = { config, keys: holder, reloader, storage, clock, log, metrics }
  const privateApp = createPrivateApp({ ...parts, loginStatus: session.status, startedAtMs })
  const app = createApp({
    ...parts,
    verifyWebhook: verifyInfisicalWebhook,
    isStopping: () => signal.aborted,
  })
  const listeners = [
    await during(listeningOn('KEYTURN_PRIVATE', config.private), () =>
      listen(privateApp, config.private),
    ),
    await during(listeningOn('KEYTURN', config.public), () => listen(app, config.public)),
  ]
  listening = true
  log.info(
    {
      issuer: config.issuer,
      listening: listeners.map(({ url }) => url),
      login_method: session.status().method,
      kid: held.signer?.jwk.kid,
      revision: held.keyring.revision,
    },
    'issuer ready',
  )
  void ping(holder.held() ?? held)
  const poll = () => reloader.reload('poll')
  const polling = pollEvery(config.pollSeconds, poll, { clock, signal })
  onceStopped(async (name) => {
    log.info({ signal: name }, 'issuer stopping')
    stop.abort()
    await Promise.all([polling, ...listeners.map((listener) => listener.close())])
    session.close()
    await storage.close()
    log.info('issuer stopped')
  })
}

function listeningOn(prefix: string, { host, port }: Config['public']): string {
  return `listening on ${host}:${port} (${prefix}_HOST, ${prefix}_PORT)`
}

/** A second signal ends the process at once, as without a handler. */
function onceStopped(close: (signal: string) => Promise<void>): void {
  const handle = (signal: NodeJS.Signals) => {
    process.removeListener('SIGTERM', handle)
    process.removeListener('SIGINT', handle)
    void close(signal)
  }
  process.once('SIGTERM', handle)
  process.once('SIGINT', handle)
}

const environment = readEnvironment()
try {
  await boot(environment)
} catch (error) {
  refuse(explainBootFailure(error, environment.infisical))
}
