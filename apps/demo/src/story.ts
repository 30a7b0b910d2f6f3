import { setTimeout as sleep } from 'node:timers/promises'
import {
  requestToken,
  startTraffic,
  type Tally,
  type Traffic,
  totalOf,
  type World,
} from '@keyturn/testkit'
import type { Narrator } from './narrator.ts'

/** What the story found. */
export interface Outcome {
  /** Valid requests that were not served, 503 apart, and tokens that were not handed out. */
  readonly refused: number
  readonly unavailable: number
  readonly sent: number
  /** Steps of the story that did not go as they should. */
  readonly failures: number
  readonly client: Client
}

export interface Client {
  readonly clientId: string
  readonly clientSecret: string
}

interface StepTime {
  readonly step: string
  readonly revision: number
  readonly hubMs: number
  readonly isolateMs: number
}

const REQUESTS_PER_SECOND = 20

/** A command ended with another exit code than the story needs. */
class StoryError extends Error {}

/** Tells the story on a running world: client, tokens, and one whole rotation under traffic. */
export async function tellStory(
  world: World,
  { narrator, startedMs }: { readonly narrator: Narrator; readonly startedMs: number },
): Promise<Outcome> {
  let failures = 0
  const judge = (holds: boolean, text: string) => {
    if (!holds) failures += 1
    narrator.verdict(holds, text)
  }
  narrator.heading('A client, a token, and what the edge says')
  const client = await createClient(world, narrator)
  await showVerification(world, { client, narrator, judge, startedMs })

  narrator.heading(`The key turns under ${REQUESTS_PER_SECOND} requests per second`)
  const traffic = await startTraffic({
    issuer: world.urls.issuer,
    url: `${world.urls.edge}/api/reports`,
    requestsPerSecond: REQUESTS_PER_SECOND,
    ...client,
  })
  const steps = await turnKey(world, { narrator, judge, traffic })
  await sleep(1_000)
  await traffic.stop()
  return { ...summarise(traffic, steps, narrator), failures, client }
}

async function createClient(world: World, narrator: Narrator): Promise<Client> {
  const created = await command(world, narrator, [
    ...['clients', 'create', '--name', 'reports', '--scope', 'reports:read'],
    ...['--audience', world.audience],
  ])
  const { client_id: clientId, client_secret: clientSecret } = created as Record<string, string>
  if (!clientId || !clientSecret) throw new StoryError('clients create answers id and secret')
  return { clientId, clientSecret }
}

interface Scene {
  readonly narrator: Narrator
  readonly judge: (holds: boolean, text: string) => void
}

async function showVerification(
  { urls }: World,
  { client, narrator, judge, startedMs }: Scene & { client: Client; startedMs: number },
): Promise<void> {
  const minted = await requestToken({ issuer: urls.issuer, ...client })
  if (typeof minted === 'string') throw new StoryError(`the issuer mints a token: ${minted}`)
  narrator.say(`POST ${urls.issuer}/oauth/token: a token of key ${short(minted.kid)}`)
  const call = async (path: string, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch(`${urls.edge}${path}`, { headers })
    await response.body?.cancel()
    return response.status
  }
  const first = await call('/api/reports', minted.token)
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  judge(
    first === 200,
    `GET /api/reports with it: ${first} (first verified token after ${seconds} s)`,
  )
  const last = minted.token.endsWith('A') ? 'Q' : 'A'
  const tampered = await call('/api/reports', `${minted.token.slice(0, -1)}${last}`)
  judge(tampered === 401, `with its last character changed: ${tampered}`)
  const missing = await call('/api/reports')
  judge(missing === 401, `without a token: ${missing}`)
  const narrow = await call('/api/admin', minted.token)
  judge(narrow === 403, `GET /api/admin, which wants the scope reports:admin: ${narrow}`)
  const direct = await fetch(`${urls.access}/.well-known/jwks.json`, { redirect: 'manual' })
  await direct.body?.cancel()
  judge(direct.status === 302, `the JWKS behind Access, without a service token: ${direct.status}`)
}

async function turnKey(
  world: World,
  scene: Scene & { readonly traffic: Traffic },
): Promise<readonly StepTime[]> {
  const { narrator, judge, traffic } = scene
  const steps: StepTime[] = []
  await sleep(2_000)

  steps.push(await step(world, scene, ['keys', 'stage', '--replace']))
  await waitFor(narrator, 'propagation window', Number(world.policy.propagationWindow))
  await command(world, narrator, ['keys', 'check'])
  judge(true, 'keys check: the same keys in Infisical, at the issuer and at every edge')

  steps.push(await step(world, scene, ['keys', 'flip']))
  const { current } = await keyIds(world, narrator)
  await untilTrue(() => traffic.firstAccepted(current) !== undefined)
  const flippedMs = steps.at(-1)?.revision ?? Date.now()
  const acceptedMs = traffic.firstAccepted(current)
  judge(
    acceptedMs !== undefined,
    `first token of the new key ${short(current)} accepted ${(acceptedMs ?? 0) - flippedMs} ms after the flip was written`,
  )
  await waitFor(narrator, 'overlap window', Number(world.policy.overlapWindow))

  steps.push(await step(world, scene, ['keys', 'retire']))
  traffic.phase('after the rotation')
  return steps
}

/** Runs a step under its own phase, and measures when hub and isolates have it. */
async function step(
  world: World,
  { narrator, traffic }: Scene & { readonly traffic: Traffic },
  args: readonly string[],
): Promise<StepTime> {
  const name = args.slice(0, 2).join(' ')
  traffic.phase(name)
  const before = await edgeRevision(world)
  const watching = untilRevisionAfter(world, before)
  const result = (await command(world, narrator, args)) as {
    revision: number
    deliveries: readonly { role: string; holds: boolean; ms: number }[]
  }
  const isolateMs = (await watching) - result.revision
  const hubMs = Math.max(...result.deliveries.map(({ ms }) => ms))
  if (!result.deliveries.every(({ holds }) => holds)) {
    throw new StoryError(`${name} was acknowledged by the issuer and every edge`)
  }
  narrator.say(`${name}: acknowledged by issuer and edge, served by the edge after ${isolateMs} ms`)
  return { step: name, revision: result.revision, hubMs, isolateMs }
}

async function edgeRevision({ urls }: World): Promise<number> {
  const response = await fetch(`${urls.edge}/.well-known/jwks.json`)
  const { revision } = (await response.json()) as { revision: number }
  return revision
}

/** Resolves with the time at which the edge's public JWKS shows a later revision. */
async function untilRevisionAfter(world: World, before: number): Promise<number> {
  let at = 0
  await untilTrue(async () => {
    const later = (await edgeRevision(world)) > before
    at = Date.now()
    return later
  })
  return at
}

async function keyIds(world: World, narrator: Narrator): Promise<{ current: string }> {
  const { keys } = (await command(world, narrator, ['keys', 'status'])) as {
    keys: readonly { kid: string; status: string }[]
  }
  const current = keys.find(({ status }) => status === 'current')?.kid
  if (!current) throw new StoryError('a key is current')
  return { current }
}

async function untilTrue(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new StoryError('the edge shows the change within 15 s')
    await sleep(25)
  }
}

async function waitFor(narrator: Narrator, what: string, seconds: number): Promise<void> {
  narrator.say(`waiting for the ${what}: ${seconds} s`)
  await sleep(seconds * 1000)
}

/** Runs `keyturn … --json`, shows the command, and answers what it printed. */
async function command(
  world: World,
  narrator: Narrator,
  args: readonly string[],
): Promise<unknown> {
  narrator.say(`$ keyturn ${args.join(' ')}`)
  const { code, stdout, stderr } = await world.keyturn([...args, '--json'])
  if (code !== 0)
    throw new StoryError(`keyturn ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
  return JSON.parse(stdout)
}

function summarise(
  { tallies, refusals }: Traffic,
  steps: readonly StepTime[],
  narrator: Narrator,
): { readonly sent: number; readonly refused: number; readonly unavailable: number } {
  narrator.heading('What was sent, and what became of it')
  const total = totalOf(tallies.values())
  const rows = [...tallies].map(([phase, tally]) => {
    const timing = steps.find(({ step: name }) => name === phase)
    return tallyRow(phase, tally, timing)
  })
  narrator.table([
    [
      'phase',
      'sent',
      'accepted',
      'refused',
      '503',
      'minted',
      'not minted',
      'at the hub',
      'in isolates',
    ],
    ...rows,
    tallyRow('total', total),
  ])
  for (const refusal of refusals) narrator.plain(`  ${refusal}`)
  return {
    sent: total.sent,
    refused: total.sent - total.accepted - total.unavailable + total.mintFailures,
    unavailable: total.unavailable,
  }
}

function tallyRow(phase: string, tally: Tally, timing?: StepTime): readonly string[] {
  const { sent, accepted, refused, unavailable, minted, mintFailures } = tally
  return [
    phase,
    ...[sent, accepted, refused, unavailable, minted, mintFailures].map(String),
    timing ? `${timing.hubMs} ms` : '',
    timing ? `${timing.isolateMs} ms` : '',
  ]
}

function short(kid: string): string {
  return `${kid.slice(0, 8)}…`
}
