import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Ports, PortTakenError, startWorld, type World } from '@keyturn/testkit'
import { createNarrator, type Narrator } from './narrator.ts'
import { type Client, tellStory } from './story.ts'

const PORTS: Ports = {
  infisical: 4100,
  issuer: 4000,
  issuerPrivate: 4001,
  access: 4050,
  edge: 8787,
}

/** Short, and still one that `definePolicy` accepts: real clocks, no rule is bent. */
const POLICY = {
  accessTokenTtl: 20,
  jwksMaxAge: 2,
  sharedCacheAge: 2,
  longestOutage: 2,
  clockDifference: 1,
  clockTolerance: 1,
  confirmationAge: 2,
  propagationWindow: 8,
  overlapWindow: 26,
}

const USAGE = `usage: demo [--once | --dev]
  --once  ends after the story; exit code 0 if no valid request was refused
  --dev   starts the parts without the story and keeps their data in .keyturn/dev`

async function main(): Promise<number> {
  const { once = false, dev = false } = readFlags()
  const startedMs = Date.now()
  const narrator = createNarrator({
    write: (line) => console.log(line),
    colour: process.stdout.isTTY === true && !process.env.NO_COLOR,
    nowMs: Date.now,
  })
  const dataDir = dev
    ? join(process.cwd(), '.keyturn', 'dev')
    : await mkdtemp(join(tmpdir(), 'keyturn-'))
  const interrupted = new Promise<'interrupted'>((resolve) => {
    // Not once: Ctrl-C reaches us from the terminal and from pnpm, and the end has to be an orderly one.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => resolve('interrupted'))
    }
  })
  narrator.heading('Keyturn, all of it on this machine')
  narrator.plain(`policy in seconds: ${JSON.stringify(POLICY)}`)
  let world: World | undefined
  try {
    world = await startWorld({ dataDir, policy: POLICY, ports: PORTS })
    narrator.say(
      'started infisical-dev, issuer, a double of Cloudflare Access, and the Worker in workerd',
    )
    const told = dev ? undefined : tellStory(world, { narrator, startedMs })
    const outcome = await Promise.race([told, interrupted])
    if (outcome === 'interrupted') return 130
    await showHowToTry(world, narrator, { client: outcome?.client, dataDir })
    if (!once) {
      narrator.plain('\nCtrl-C ends it.')
      await interrupted
    }
    if (!outcome) return 0
    const { sent, refused, unavailable, failures } = outcome
    const ok = refused + unavailable + failures === 0
    if (once || !ok) {
      narrator.plain(
        `demo: ${ok ? 'ok' : 'FAILED'}, ${sent} requests, ${refused} refused, ${unavailable} answered 503`,
      )
    }
    return ok ? 0 : 1
  } finally {
    await world?.stop()
    if (!dev) await rm(dataDir, { recursive: true, force: true })
  }
}

function readFlags(): { readonly once?: boolean; readonly dev?: boolean } {
  try {
    const { values } = parseArgs({
      options: { once: { type: 'boolean' }, dev: { type: 'boolean' } },
    })
    return values
  } catch {
    console.error(USAGE)
    process.exit(2)
  }
}

async function showHowToTry(
  { urls, cliEnv }: World,
  narrator: Narrator,
  { client, dataDir }: { readonly client: Client | undefined; readonly dataDir: string },
): Promise<void> {
  const file = join(dataDir, 'keyturn.env')
  const lines = Object.entries(cliEnv).map(([name, value]) => `export ${name}='${value}'\n`)
  await writeFile(file, lines.join(''), { mode: 0o600 })
  const { clientId = 'CLIENT_ID', clientSecret = 'CLIENT_SECRET' } = client ?? {}
  narrator.heading('Try it by hand')
  narrator.table([
    ['issuer', urls.issuer],
    ['  private listener', `${urls.issuerPrivate}/internal/security/health`],
    ['Access in front of it', urls.access],
    ['edge', urls.edge],
    ['infisical-dev', urls.infisical],
  ])
  narrator.plain(`
curl -s -u '${clientId}:${clientSecret}' -d grant_type=client_credentials ${urls.issuer}/oauth/token
TOKEN=$(curl -s -u '${clientId}:${clientSecret}' -d grant_type=client_credentials ${urls.issuer}/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -i -H "Authorization: Bearer $TOKEN" ${urls.edge}/api/reports
curl -s ${urls.edge}/.well-known/jwks.json
curl -s ${urls.edge}/internal/health
curl -s ${urls.issuerPrivate}/internal/security/health

. ${file}    # keyturn as rotator@ops
npx --yes pnpm@12 keyturn keys status`)
}

main().then(
  // A story that was interrupted still waits somewhere; everything it used is gone.
  (code) => process.exit(code),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    const hint = error instanceof PortTakenError ? '; is another demo running?' : ''
    console.error(`demo: ${message}${hint}`)
    process.exit(1)
  },
)
