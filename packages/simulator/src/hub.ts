import {
  type Acknowledgement,
  AuthError,
  type Clock,
  formatSnapshot,
  type HeldKeys,
  jwksDigest,
  type KeySource,
  type KeysAt,
  type KeysRevoked,
  type LoadedKeys,
  type Ping,
  type PublicJwks,
} from '@keyturn/auth-core'
import type { Library } from './library.ts'
import type { PingReceiver } from './posting.ts'
import type { Rules } from './rules.ts'
import type { Timeline } from './timeline.ts'

/** The one reader of the origin at the edge, as apps/edge runs it in a Durable Object. */
export interface Hub {
  /** @throws {AuthError} `keys_unavailable` */
  snapshot(options: { readonly force: boolean }): Promise<string>
  readonly receive: PingReceiver
  /** The alarm: reads the origin, and answers when to read it again. Milliseconds. */
  tick(): Promise<number>
  /** Loses its memory and takes up what it stored. */
  evict(): void
}

export interface HubDeps {
  readonly rules: Rules
  readonly timeline: Timeline
  readonly clock: Clock
  readonly library: Library
  /** Reads the published document of one ready issuer process. */
  fetchJwks(): Promise<PublicJwks>
  openPing(ping: Parameters<PingReceiver>[0], clock: Clock): Promise<{ id: string; ping: Ping }>
  /** After each change of what is handed out. */
  onServe(revoked: ReadonlySet<string>): void
}

interface Denied {
  readonly kid: string
  readonly revision: number
}

/** What the hub keeps through evictions. */
interface Stored {
  denied: readonly Denied[]
  lapses: number
  announced?: KeysAt
  held?: HeldKeys | undefined
  readonly pings: Set<string>
}

const STALE_FOR_MS = 3_600_000
const FORCED_COOLDOWN_MS = 5_000
const REACH_MS = 3_000
const READ_INTERVAL_MS = 60_000

/** Makes the hub. */
export function createHub(deps: HubDeps): Hub {
  const { rules, timeline, clock, library } = deps
  const stored: Stored = { denied: [], lapses: 0, pings: new Set() }
  let source = createSource()
  let forced: Promise<unknown> | undefined
  let forcedAtMs = Number.NEGATIVE_INFINITY
  let unsatisfied = 0
  let text:
    | { readonly of: HeldKeys; readonly lapses: number; readonly snapshot: string }
    | undefined

  function createSource(): KeySource {
    return rules.createKeySource({
      load,
      clock,
      refreshAfterMs: STALE_FOR_MS,
      freshForMs: STALE_FOR_MS,
      staleForMs: STALE_FOR_MS,
      cooldownMs: 2_000,
      unknownKidCooldownMs: FORCED_COOLDOWN_MS,
      waitMs: 3_000,
      ...(stored.held && { initial: stored.held }),
      onEvent(event) {
        if (event.type === 'load_failed') unsatisfied += event.cause === 'unknown_kid' ? 0 : 1
        else settle()
      },
    })
  }

  async function load(): Promise<LoadedKeys> {
    const startedAtMs = clock.nowMs()
    const jwks = await deps.fetchJwks()
    const { announced, held } = stored
    if (announced?.revision === jwks.revision && held?.keySet.jwks.revision !== jwks.revision) {
      if (announced?.jwks_sha256 !== (await jwksDigest(jwks))) {
        throw new AuthError('jwks_invalid', 'the document is the one that was announced')
      }
    }
    return { jwks, asOfMs: startedAtMs, fetchedAtMs: startedAtMs }
  }

  function settle(): void {
    const held = source.peek()
    if (!held) return
    stored.held = held
    const { jwks } = held.keySet
    unsatisfied = (stored.announced?.revision ?? -1) > (jwks.revision ?? -1) ? unsatisfied + 1 : 0
    const lapsed = stored.denied.filter((entry) => contradicts(jwks, entry))
    stored.denied = stored.denied.filter(
      (entry) => !lapsed.includes(entry) && !jwks.revoked.includes(entry.kid),
    )
    stored.lapses += lapsed.length
    deps.onServe(served()?.keySet.revoked ?? new Set())
  }

  /** The held set with the denied kids laid over it: they may lapse, which its own never do. */
  function served(): HeldKeys | undefined {
    const held = source.peek()
    if (!held) return undefined
    const revoked = new Set([...held.keySet.revoked, ...stored.denied.map(({ kid }) => kid)])
    const jwks = { ...held.keySet.jwks, revoked: [...revoked].sort() }
    const keySet = { ...held.keySet, jwks, revoked }
    return { ...held, keySet, epoch: held.epoch + stored.lapses }
  }

  async function keysChanged(data: KeysAt): Promise<void> {
    if (data.revision >= (stored.announced?.revision ?? 0)) stored.announced = data
    const deadlineMs = timeline.nowMs() + REACH_MS
    for (let pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 500)) {
      const revision = source.peek()?.keySet.jwks.revision ?? -1
      if (revision >= data.revision || timeline.nowMs() + pauseMs >= deadlineMs) return
      const reload = source.reload({ cause: 'ping' }).catch(refusedOnly)
      await Promise.race([reload, timeline.sleep(deadlineMs - timeline.nowMs())])
      await timeline.sleep(pauseMs)
    }
  }

  async function keysRevoked({ kids, revision }: KeysRevoked): Promise<void> {
    const jwks = source.peek()?.keySet.jwks
    const known = jwks ? rules.denied(kids, jwks) : []
    const fresh = known.filter((kid) => !stored.denied.some((entry) => entry.kid === kid))
    stored.denied = [...stored.denied, ...fresh.map((kid) => ({ kid, revision }))]
    text = undefined
    deps.onServe(served()?.keySet.revoked ?? new Set())
  }

  async function receive(signed: Parameters<PingReceiver>[0]): Promise<Acknowledgement> {
    const { id, ping } = await deps.openPing(signed, clock)
    if (stored.pings.has(id)) throw new AuthError('ping_replayed', 'an id counts once')
    stored.pings.add(id)
    if (ping.type === 'keys.changed') await keysChanged(ping.data)
    if (ping.type === 'keys.revoked') await keysRevoked(ping.data)
    const held = served()
    if (!held) throw new AuthError('keys_unavailable', 'the hub holds keys')
    const age = Math.max(0, Math.floor((clock.nowMs() - held.sinceMs) / 1000))
    const { revoked } = held.keySet.jwks
    const known = await library.acknowledgement(stored.held?.keySet.jwks ?? held.keySet.jwks)
    return { ...known, revoked, age }
  }

  async function forceRead(): Promise<void> {
    if (!forced && timeline.nowMs() - forcedAtMs >= FORCED_COOLDOWN_MS) {
      forcedAtMs = timeline.nowMs()
      forced = source
        .reload({ cause: 'unknown_kid' })
        .catch(refusedOnly)
        .finally(() => {
          forced = undefined
        })
    }
    await forced
  }

  return {
    receive,
    async snapshot({ force }) {
      if (force) await forceRead()
      const held = await source.read()
      if (text?.of !== held || text.lapses !== stored.lapses) {
        text = { of: held, lapses: stored.lapses, snapshot: formatSnapshot(served() ?? held) }
      }
      return text.snapshot
    },
    async tick() {
      await source.reload({ cause: 'routine' }).catch(refusedOnly)
      return unsatisfied === 0
        ? READ_INTERVAL_MS
        : Math.min(READ_INTERVAL_MS, 2_000 * 2 ** (unsatisfied - 1))
    },
    evict() {
      source = createSource()
      forced = undefined
      forcedAtMs = Number.NEGATIVE_INFINITY
      text = undefined
    },
  }
}

/** A document that is later than the ping, publishes the key and does not list it as revoked. */
function contradicts({ keys, revoked, revision = 0 }: PublicJwks, entry: Denied): boolean {
  return (
    revision > entry.revision &&
    !revoked.includes(entry.kid) &&
    keys.some(({ kid }) => kid === entry.kid)
  )
}

/** How a read ended is in what is held; anything but a refusal is a fault of the program. */
export function refusedOnly(error: unknown): undefined {
  if (error instanceof AuthError) return undefined
  throw error
}
