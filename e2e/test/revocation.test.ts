import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LiveToken, requestToken, startWorld, type World } from '@keyturn/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** From the start of the command to the last acceptance of a token of the key. */
const PROMISED_MS = 5_000
/** For how long a token is still tried after that. */
const BEYOND_MS = 1_500

/** One request at the edge. Instants in ms since the epoch. */
interface Attempt {
  readonly kid: string
  readonly status: number | undefined
  readonly endedAtMs: number
}

/** A client that mints all the time, and sends 20 requests per second with what it has. */
interface Client {
  /** Every other request bears a token of this key from now on; the others the newest token. */
  watch(kid: string): void
  /** Waits until a token was minted that holds this, and gives its kid. */
  minted(wanted: (token: LiveToken) => boolean): Promise<string>
  readonly attempts: readonly Attempt[]
  /** When tokens were handed out. */
  readonly mintedAtMs: readonly number[]
  stop(): Promise<void>
}

let dataDir: string
let world: World
let client: Client
const revoked = new Set<string>()

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keyturn-e2e-'))
  world = await startWorld({ dataDir, policy: {} })
  client = await startClient()
})

afterAll(async () => {
  await client?.stop()
  await world?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function startClient(): Promise<Client> {
  const created = await keyturn(
    ...['clients', 'create', '--name', 'e2e', '--scope', 'reports:read'],
    ...['--audience', world.audience],
  )
  const credentials = {
    issuer: world.urls.issuer,
    clientId: String(created.client_id),
    clientSecret: String(created.client_secret),
  }
  const tokens: LiveToken[] = []
  const mintedAtMs: number[] = []
  const attempts: Attempt[] = []
  const pending = new Set<Promise<void>>()
  let watched: string | undefined
  let turn = 0

  async function mint(): Promise<void> {
    const token = await requestToken(credentials)
    if (typeof token === 'string') return
    tokens.push(token)
    mintedAtMs.push(Date.now())
  }

  async function use(): Promise<void> {
    const old = tokens.find(({ kid }) => kid === watched)
    const chosen = (turn++ % 2 === 0 ? old : undefined) ?? tokens.at(-1)
    if (!chosen) return
    const response = await fetch(`${world.urls.edge}/api/reports`, {
      headers: { authorization: `Bearer ${chosen.token}` },
    }).catch(() => undefined)
    await response?.body?.cancel()
    attempts.push({ kid: chosen.kid, status: response?.status, endedAtMs: Date.now() })
  }

  function keep(work: Promise<void>): void {
    pending.add(work)
    void work.finally(() => pending.delete(work))
  }

  await mint()
  const timers = [setInterval(() => keep(mint()), 250), setInterval(() => keep(use()), 50)]
  return {
    attempts,
    mintedAtMs,
    watch: (kid) => {
      watched = kid
    },
    minted: async (wanted) => {
      await expect.poll(() => tokens.some(wanted), { timeout: 3_000 }).toBe(true)
      return tokens.find(wanted)?.kid ?? ''
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(pending)
    },
  }
}

/** Runs a command that must succeed. */
async function keyturn(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await world.keyturn([...args, '--json'])
  expect(code, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return JSON.parse(stdout) as Record<string, unknown>
}

const isAccepted = ({ status }: Attempt) => status === 200
const of = (kid: string) => client.attempts.filter((attempt) => attempt.kid === kid)

/** Revokes by the command line, and measures until when tokens of the key `kid` were accepted. */
async function revoke(kid: string, wanted = kid) {
  client.watch(kid)
  await expect.poll(() => of(kid).some(isAccepted)).toBe(true)
  const startedAtMs = Date.now()
  const report = await keyturn('keys', 'revoke', wanted, '--reason', 'e2e', '--yes')
  for (const each of report.revoked as readonly { kid: string }[]) revoked.add(each.kid)
  const commandMs = Date.now() - startedAtMs
  await sleep(Math.max(0, startedAtMs + PROMISED_MS + BEYOND_MS - Date.now()))
  const ends = of(kid).map((attempt) => ({ ...attempt, ms: attempt.endedAtMs - startedAtMs }))
  const lastAcceptedMs = Math.max(...ends.filter(isAccepted).map(({ ms }) => ms))
  const later = ends.filter(({ ms }) => ms > lastAcceptedMs)
  const mints = client.mintedAtMs.filter((atMs) => atMs > startedAtMs - 500)
  const gaps = mints.slice(1).map((atMs, index) => atMs - (mints[index] ?? atMs))
  return { report, commandMs, lastAcceptedMs, later, longestMintGapMs: Math.max(...gaps) }
}

function print(what: string, facts: Awaited<ReturnType<typeof revoke>>): void {
  const { lastAcceptedMs, commandMs, longestMintGapMs } = facts
  console.info(
    `${what}: last accepted ${lastAcceptedMs} ms after the start of the command, ` +
      `which took ${commandMs} ms; longest gap between two mints ${longestMintGapMs} ms`,
  )
}

interface Answer {
  readonly name: string
  readonly refuses: boolean
  readonly holds: boolean
}

describe('a revocation under traffic', () => {
  it('ends the current key everywhere within five seconds of the command', async () => {
    const first = await client.minted(() => true)
    const facts = await revoke(first)
    print('revocation', facts)
    expect(facts.lastAcceptedMs).toBeLessThanOrEqual(PROMISED_MS)
    expect(facts.later.length).toBeGreaterThan(10)
    for (const { status } of facts.later) expect(status).toBe(401)
    expect((facts.report.denials as Answer[]).map(({ refuses }) => refuses)).toEqual([true, true])
    expect((facts.report.deliveries as Answer[]).map(({ holds }) => holds)).toEqual([true, true])
    expect(facts.longestMintGapMs).toBeLessThan(1_500)
  })

  it('ends every key as fast with --all, and fresh ones sign', async () => {
    const before = await client.minted(({ kid }) => !revoked.has(kid))
    const facts = await revoke(before, '--all')
    print('revocation of all', facts)
    expect(facts.lastAcceptedMs).toBeLessThanOrEqual(PROMISED_MS)
    expect(facts.later.length).toBeGreaterThan(10)
    for (const { status } of facts.later) expect(status).toBe(401)
    expect(facts.report.revoked).toHaveLength(2)
    expect((facts.report.denials as Answer[]).map(({ refuses }) => refuses)).toEqual([true, true])
    const fresh = await client.minted(({ kid }) => !revoked.has(kid))
    expect(of(fresh).some(isAccepted)).toBe(true)
    expect(facts.longestMintGapMs).toBeLessThan(2_000)
  })

  it('ends the current key as fast where the edge cannot reach the JWKS', async () => {
    const second = await client.minted(({ kid }) => !revoked.has(kid))
    await world.access.close()
    const facts = await revoke(second)
    print('revocation with the origin down', facts)
    expect(facts.lastAcceptedMs).toBeLessThanOrEqual(PROMISED_MS)
    expect(facts.later.length).toBeGreaterThan(10)
    for (const { status } of facts.later) expect(status).toBe(401)
    expect((facts.report.denials as Answer[]).map(({ refuses }) => refuses)).toEqual([true, true])
    const edge = (facts.report.deliveries as Answer[]).find(({ name }) => name === 'edge local')
    expect(edge?.holds).toBe(false)
    expect(facts.longestMintGapMs).toBeLessThan(1_500)
  })

  it('refuses no token of a key that is not revoked, and answers none with 503', async () => {
    await client.minted(({ kid }) => !revoked.has(kid))
    await client.stop()
    const others = client.attempts.filter(({ kid }) => !revoked.has(kid))
    expect(others.length).toBeGreaterThan(20)
    expect(others.filter((attempt) => !isAccepted(attempt))).toEqual([])
  })
})
