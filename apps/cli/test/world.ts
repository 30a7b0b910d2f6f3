import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@keyturn/auth-core'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  initialiseLayout,
  type KeyringStore,
  type Secrets,
} from '@keyturn/infisical'
import { seedProject, startInfisicalDev } from '@keyturn/infisical-dev'

const CLI = new URL('../src/main.ts', import.meta.url).pathname
const ALL = ['read', 'create', 'edit', 'delete'] as const

/** Windows of one second, so that a whole rotation fits into a test. */
export const SHORT_POLICY = {
  accessTokenTtl: 1,
  jwksMaxAge: 0,
  sharedCacheAge: 0,
  longestOutage: 0,
  clockDifference: 0,
  clockTolerance: 0,
  confirmationAge: 0,
  propagationWindow: 1,
  overlapWindow: 1,
} as const

/** How a command ended, and what it printed. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a command runs with beside the world's own variables. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly cwd?: string
}

/** A store with its project, and the command line as rotator@ops. */
export interface World {
  readonly url: string
  readonly adminToken: string
  readonly projectId: string
  /** The working folder of the commands. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** The secrets as rotator@ops sees them. */
  readonly secrets: Secrets
  readonly store: KeyringStore
  run(args: readonly string[], options?: RunOptions): Promise<Ended>
  stop(): Promise<void>
}

/** Starts an embedded store with one project, an identity that may write, and one that may not. */
export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-cli-'))
  const dev = await startInfisicalDev({ dataDir: join(folder, 'store'), webhookDelayMs: 60_000 })
  const { projectId, identities } = await seedProject(dev.url, dev.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [
      {
        name: 'rotator@ops',
        privileges: [{ environment: 'prod', paths: ['/', '/auth', '/auth/**'], actions: ALL }],
      },
      {
        name: 'token-service@journal',
        privileges: [{ environment: 'prod', paths: ['/auth/**'], actions: ['read'] }],
      },
    ],
  })
  const variablesOf = (name: string): Record<string, string> => ({
    INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: identities[name]?.clientId ?? '',
    INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: identities[name]?.clientSecret ?? '',
  })
  const env: Record<string, string> = {
    INFISICAL_SERVER_URL: dev.url,
    INFISICAL_PROJECT_ID: projectId,
    ...variablesOf('rotator@ops'),
    KEYTURN_POLICY: JSON.stringify(SHORT_POLICY),
  }
  const { secrets, store, close } = openStore(env)
  return {
    url: dev.url,
    adminToken: dev.adminToken,
    projectId,
    folder,
    env,
    secrets,
    store,
    run: (args, options = {}) =>
      runKeyturn(args, { cwd: folder, ...options, env: { ...env, ...options.env } }),
    async stop() {
      close()
      await dev.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function openStore(env: Readonly<Record<string, string>>) {
  const session = createSession({
    transport: createTransport({ siteUrl: env.INFISICAL_SERVER_URL ?? '' }),
    credentials: {
      method: 'universal-auth',
      clientId: env.INFISICAL_UNIVERSAL_AUTH_CLIENT_ID ?? '',
      clientSecret: env.INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET ?? '',
    },
  })
  const projectId = env.INFISICAL_PROJECT_ID ?? ''
  const secrets = createSecrets({ session, projectId, environment: 'prod' })
  const clock: Clock = systemClock
  const now = () => Math.floor(clock.nowMs() / 1000)
  return {
    secrets,
    store: createKeyringStore({ secrets, nowSeconds: now }),
    close: () => session.close(),
  }
}

/** Runs the real program with nothing but these variables. */
export async function runKeyturn(
  args: readonly string[],
  { env = {}, stdin = '', cwd }: RunOptions = {},
): Promise<Ended> {
  const child = spawnKeyturn(args, { env, ...(cwd !== undefined && { cwd }) })
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(stdin)
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close'),
  ])
  return { code: typeof code === 'number' ? code : -1, stdout, stderr }
}

/** Starts the real program and leaves it to the caller. */
export function spawnKeyturn(
  args: readonly string[],
  { env = {}, cwd }: Omit<RunOptions, 'stdin'> = {},
): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  })
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  stream?.setEncoding('utf8')
  for await (const chunk of stream ?? []) text += chunk
  return text
}

/** Creates the layout, and gives back what the edges verify pings with. */
export async function initialise({ secrets }: World): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return (await initialiseLayout({ secrets, alg: 'EdDSA', now })).pingPublicKey
}

/** Registers edges, in place of those that are registered. */
export async function registerEdges(
  { secrets }: World,
  edges: readonly { readonly name: string; readonly url: string }[],
): Promise<void> {
  await secrets.update('/auth/edge', 'edges', JSON.stringify(edges))
}
