import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AccessDouble, startAccessDouble } from './access-double.ts'
import { type RunningEdge, startEdge } from './edge.ts'
import {
  type Ended,
  freePort,
  isPortTaken,
  type Program,
  runProgram,
  startProgram,
  untilReady,
} from './processes.ts'
import { createWebhookOnce, type Identity, type StoreAccess, seedOnce } from './store-setup.ts'

const INFISICAL_DEV = new URL('../../infisical-dev/src/main.ts', import.meta.url)
const ISSUER = new URL('../../../apps/issuer/src/main.ts', import.meta.url)
const CLI = new URL('../../../apps/cli/src/main.ts', import.meta.url)

/** The audience of the tokens of this world. */
const AUDIENCE = 'https://api.keyturn.example'

/** The service token that the edge presents to Access, and Access asks for. */
const ACCESS_TOKEN = { id: 'edge.access', secret: 'access-secret-of-this-world' }

export interface Ports {
  readonly infisical: number
  readonly issuer: number
  readonly issuerPrivate: number
  readonly access: number
  readonly edge: number
}

export interface WorldOptions {
  /** Where the parts keep their data. A world can be started again on it. */
  readonly dataDir: string
  /** `Partial<Policy>` for issuer and CLI, in seconds. */
  readonly policy: Readonly<Record<string, unknown>>
  /** Fixed ports; else free ones. */
  readonly ports?: Ports
  /** Replaces or removes (undefined) variables of the issuer. */
  readonly issuerEnv?: Readonly<Record<string, string | undefined>>
  /** Left out: the edge presents the right service token to Access. */
  readonly edgeAccessSecret?: string
}

/** All parts of Keyturn on one machine: real programs, real HTTP, real workerd. */
export interface World {
  readonly urls: {
    readonly infisical: string
    readonly issuer: string
    readonly issuerPrivate: string
    readonly access: string
    readonly edge: string
  }
  /** The audience of its tokens. */
  readonly audience: string
  readonly policy: WorldOptions['policy']
  readonly projectId: string
  readonly adminToken: string
  readonly identities: Readonly<Record<string, Identity>>
  readonly access: AccessDouble
  readonly edge: RunningEdge
  /** The issuer that runs now; `startIssuer` replaces it. */
  issuer(): Program
  /** Starts the issuer on its data again, with other variables if wanted, and waits until ready. */
  startIssuer(env?: Readonly<Record<string, string | undefined>>): Promise<Program>
  /** Runs `keyturn` as rotator@ops. */
  keyturn(
    args: readonly string[],
    options?: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<Ended>
  /** The variables under which `keyturn` runs, for whoever wants to type it by hand. */
  readonly cliEnv: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** A fixed port that somebody else holds. */
export class PortTakenError extends Error {
  readonly port: number
  constructor(part: string, port: number) {
    super(`port ${port} (${part}) is taken`)
    this.name = 'PortTakenError'
    this.port = port
  }
}

/**
 * Starts a whole world: the secret store with its project and identities, `keyturn init`, the issuer,
 * a double of Cloudflare Access in front of it, and the Worker in workerd.
 *
 * @throws {PortTakenError} where a fixed port is not free; what was started is ended again
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const ports = options.ports ?? (await freePorts())
  await refuseTakenPorts(ports)
  await mkdir(options.dataDir, { recursive: true })
  const started: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const end of started.reverse()) await end()
    started.length = 0
  }
  try {
    return await startParts(options, { ports, started, stop })
  } catch (error) {
    await stop()
    throw error
  }
}

async function startParts(
  options: WorldOptions,
  {
    ports,
    started,
    stop,
  }: { ports: Ports; started: (() => Promise<unknown>)[]; stop: () => Promise<void> },
): Promise<World> {
  const urls = urlsOf(ports)
  const infisicalDir = join(options.dataDir, 'infisical')
  const infisical = startProgram(INFISICAL_DEV, {
    args: ['--port', String(ports.infisical), '--data', infisicalDir],
  })
  started.push(() => infisical.stop())
  await untilReady(urls.infisical, infisical)
  const adminToken = (await readFile(join(infisicalDir, 'admin-token'), 'utf8')).trim()
  const { projectId, identities } = await seedOnce(options.dataDir, urls.infisical, adminToken)

  const cliEnv = {
    ...infisicalEnv(urls.infisical, projectId),
    INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: identities['rotator@ops']?.clientId ?? '',
    INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: identities['rotator@ops']?.clientSecret ?? '',
    KEYTURN_ISSUER: urls.issuer,
    KEYTURN_ADMIN_URL: urls.issuerPrivate,
    KEYTURN_POLICY: JSON.stringify(options.policy),
  }
  const keyturn: World['keyturn'] = (args, { stdin, env } = {}) =>
    runProgram(CLI, {
      args,
      env: { ...cliEnv, ...env },
      cwd: options.dataDir,
      ...(stdin !== undefined && { stdin }),
    })
  const pingPublicKeys = await initialise(keyturn, urls, { projectId, adminToken, cliEnv })

  const issuerEnv = {
    ...infisicalEnv(urls.infisical, projectId),
    UA_CLIENT_ID_TOKEN_SERVICE: identities['token-service@journal']?.clientId,
    UA_CLIENT_SECRET_TOKEN_SERVICE: identities['token-service@journal']?.clientSecret,
    KEYTURN_ISSUER: urls.issuer,
    KEYTURN_PORT: String(ports.issuer),
    KEYTURN_PRIVATE_PORT: String(ports.issuerPrivate),
    KEYTURN_JWKS_URI: `${urls.edge}/.well-known/jwks.json`,
    KEYTURN_DATABASE: join(options.dataDir, 'issuer.db'),
    KEYTURN_POLICY: JSON.stringify(options.policy),
    ...options.issuerEnv,
  }
  let issuer: Program | undefined
  const startIssuer: World['startIssuer'] = async (env = {}) => {
    issuer = startProgram(ISSUER, { env: defined({ ...issuerEnv, ...env }), cwd: options.dataDir })
    await untilReady(`${urls.issuer}/readyz`, issuer)
    return issuer
  }
  started.push(async () => await issuer?.stop())
  await startIssuer()

  const access = await startAccessDouble({
    origin: urls.issuer,
    clientId: ACCESS_TOKEN.id,
    clientSecret: ACCESS_TOKEN.secret,
    port: ports.access,
  })
  started.push(() => access.close())
  const edge = await startEdge({
    port: ports.edge,
    vars: edgeVars(urls, options.policy, pingPublicKeys),
    secrets: {
      ACCESS_CLIENT_ID: ACCESS_TOKEN.id,
      ACCESS_CLIENT_SECRET: options.edgeAccessSecret ?? ACCESS_TOKEN.secret,
    },
  })
  started.push(() => edge.stop())
  return {
    urls,
    audience: AUDIENCE,
    policy: options.policy,
    projectId,
    adminToken,
    identities,
    access,
    edge,
    issuer: () => {
      if (!issuer) throw new TypeError('the issuer has been started')
      return issuer
    },
    startIssuer,
    keyturn,
    cliEnv,
    stop,
  }
}

async function freePorts(): Promise<Ports> {
  const [infisical, issuer, issuerPrivate, access, edge] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  return { infisical, issuer, issuerPrivate, access, edge }
}

async function refuseTakenPorts(ports: Ports): Promise<void> {
  for (const [part, port] of Object.entries(ports)) {
    if (await isPortTaken(port)) throw new PortTakenError(part, port)
  }
}

function urlsOf(ports: Ports): World['urls'] {
  const at = (port: number) => `http://127.0.0.1:${port}`
  return {
    infisical: at(ports.infisical),
    issuer: at(ports.issuer),
    issuerPrivate: at(ports.issuerPrivate),
    access: at(ports.access),
    edge: at(ports.edge),
  }
}

function infisicalEnv(url: string, projectId: string): Record<string, string> {
  return {
    INFISICAL_SERVER_URL: url,
    INFISICAL_PROJECT_ID: projectId,
    INFISICAL_ENVIRONMENT: 'prod',
  }
}

function edgeVars(
  urls: World['urls'],
  policy: WorldOptions['policy'],
  pingPublicKeys: string,
): Record<string, string> {
  return {
    ISSUER: urls.issuer,
    JWKS_URL: `${urls.access}/.well-known/jwks.json`,
    AUDIENCE,
    PING_PUBLIC_KEYS: pingPublicKeys,
    CLOCK_TOLERANCE: String(policy.clockTolerance ?? 60),
    CLOCK_DIFFERENCE: String(policy.clockDifference ?? 60),
    JWKS_MAX_AGE: String(policy.jwksMaxAge ?? 300),
    ROUTES: JSON.stringify([
      { path: '/api/reports', methods: ['GET'], scope: 'reports:read' },
      { path: '/api/admin', methods: ['GET'], scope: 'reports:admin' },
      { path: '/api/*', methods: ['GET'] },
    ]),
  }
}

function defined(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** `keyturn init`, and the webhook, which only a user of the store may create. */
async function initialise(
  keyturn: World['keyturn'],
  urls: World['urls'],
  store: StoreAccess,
): Promise<string> {
  const init = await keyturn(['init', '--json', '--edge', `local=${urls.edge}`])
  if (init.code !== 0) throw new Error(`keyturn init ended with ${init.code}:\n${init.stderr}`)
  const { ping_public_keys } = JSON.parse(init.stdout) as { ping_public_keys: string }
  await createWebhookOnce(urls, store)
  return ping_public_keys
}
