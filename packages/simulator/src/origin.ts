import { AuthError, type Clock, type PublicJwks } from '@keyturn/auth-core'
import { formatKeyring, type Keyring, keysWith } from '@keyturn/auth-core/signing'
import type { Ground } from './ground.ts'
import { createHub, type Hub } from './hub.ts'
import { createIssuer, type Issuer, type SharedStorage } from './issuer.ts'
import { createStore, type Store, type StoreState } from './store.ts'
import type { Timeline } from './timeline.ts'

/** An issuer process and the clock of its machine. */
export interface Process {
  readonly issuer: Issuer
  readonly clock: Clock
}

/** The store, the issuers that read it, and the hub that reads them. */
export interface Origin {
  readonly store: Store
  readonly processes: readonly Process[]
  readonly hub: Hub
  /** Reads the published document over a way; a load balancer picks a process that is ready. */
  fetchJwks(link: string): Promise<PublicJwks>
}

const POLL_MS = 60_000

/** Makes them, with one keyring in the store, and lets them poll. */
export async function createOrigin(ground: Ground): Promise<Origin> {
  const { timeline, clocks, chronicle, office } = ground
  const random = ground.random.fork('origin')
  const processes: Process[] = []
  const store = createStore({
    timeline,
    clock: clocks.steady(),
    random,
    lagMs: () => ground.faults().readLagMs,
    initial: formatKeyring(await firstKeyring(ground)),
    onWrite: (state) => {
      timeline.after(0, () => observe(ground, state))
      tellByWebhook()
    },
  })

  /** About 2 s late, to one process, maybe never and maybe twice. */
  function tellByWebhook(): void {
    for (const _ of random.chance(0.2) ? [1, 2] : [1]) {
      if (random.chance(ground.faults().webhookLoss)) continue
      const { issuer } = random.pick(processes)
      timeline.after(random.between(1_000, 4_000), issuer.reload)
    }
  }

  async function fetchJwks(link: string): Promise<PublicJwks> {
    await ground.network.cross(link)
    const first = random.int(0, processes.length - 1)
    for (let turn = 0; turn < processes.length; turn++) {
      const jwks = await processes[(first + turn) % processes.length]?.issuer.serve()
      if (jwks) return ground.library.fetched(jwks)
    }
    throw new AuthError('keys_unavailable', 'an issuer process is ready', { reason: 'status' })
  }

  const hub = createHub({
    ...ground,
    clock: clocks.provider(),
    fetchJwks: () => fetchJwks('hub-origin'),
    openPing: office.open,
    onServe: chronicle.hubServes,
  })
  addProcesses(ground, { store, hub, processes })
  await observe(ground, store.newest())
  timeline.after(500, () => repeat(timeline, hub.tick))
  return { store, processes, hub, fetchJwks }
}

function addProcesses(
  ground: Ground,
  { store, hub, processes }: { store: Store; hub: Hub; processes: Process[] },
): void {
  const { timeline, clocks, scenario, office, chronicle } = ground
  const storage: SharedStorage = { revision: 0, revoked: new Map() }
  for (let index = 0; index < scenario.issuers; index++) {
    const name = `issuer-${index}`
    const clock = clocks.machine()
    const random = ground.random.fork(name)
    const issuer = createIssuer({
      ...ground,
      name,
      policy: scenario.policy,
      clock,
      store,
      storage,
      openPing: office.open,
      onChange: (keyring) => timeline.after(0, () => tellHub(ground, { hub, keyring, clock })),
      onRevoked: chronicle.issuersKnow,
    })
    processes.push({ issuer, clock })
    const poll = async () => {
      await issuer.reload()
      return POLL_MS * random.between(0.8, 1.2)
    }
    timeline.after(0, () => repeat(timeline, poll))
  }
}

/** A process that learned of a change tells the hub, which may know it already. */
async function tellHub(
  { library, rules, post, office }: Ground,
  { hub, keyring, clock }: { hub: Hub; keyring: Keyring; clock: Clock },
): Promise<void> {
  const { revision, jwks_sha256 } = await library.acknowledgement(rules.publishJwks(keyring))
  const data = { issuer: office.issuer, revision, jwks_sha256 }
  await post.send({ type: 'keys.changed', data }, hub.receive, clock)
}

async function firstKeyring({ pool, timeline, scenario }: Ground): Promise<Keyring> {
  const { propagationWindow } = scenario.policy
  const now = Math.floor(timeline.nowMs() / 1000)
  const current = await pool.take(now - 2 * propagationWindow)
  const next = await pool.take(now - propagationWindow)
  const signing = { ...current, jwk: { ...current.jwk, nbf: now - propagationWindow } }
  return { keys: [signing, next], revocations: [], revision: 0 }
}

/** Takes what is stored into the chronicle, and holds it against the first of all invariants. */
async function observe(
  { library, chronicle, journal, judge }: Ground,
  state: StoreState,
): Promise<void> {
  try {
    const { keyring } = await library.parse(state)
    const signing = keysWith(keyring, 'current').length
    chronicle.observe(keyring)
    const kids = keyring.keys.map(({ kid }) => kid).join(' ')
    journal.note(`the store holds ${kids}, ${signing} current`)
    const isEmergency = chronicle.signing()?.revokedAtMs !== undefined
    if (signing !== 1 && !isEmergency)
      judge.broken('one_current_key', `${signing} keys are current`)
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    journal.note(`the store cannot be read: ${error.message}`)
  }
}

/** Does something again and again, after as many milliseconds as it answers. */
async function repeat(timeline: Timeline, task: () => Promise<number>): Promise<void> {
  const waitMs = await task()
  timeline.after(waitMs, () => repeat(timeline, task))
}
