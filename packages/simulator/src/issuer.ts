import {
  type Acknowledgement,
  AuthError,
  type Clock,
  nowSeconds,
  type Ping,
  type PublicJwks,
} from '@keyturn/auth-core'
import {
  currentKey,
  type Keyring,
  type Policy,
  type Revocation,
  type Signer,
} from '@keyturn/auth-core/signing'
import type { Library } from './library.ts'
import type { Network } from './network.ts'
import type { PingReceiver } from './posting.ts'
import type { Rules } from './rules.ts'
import type { Store } from './store.ts'
import type { Timeline } from './timeline.ts'

/** The storage that issuer processes share: the highest revision, and the revoked kids. */
export interface SharedStorage {
  revision: number
  readonly revoked: Map<string, Revocation>
}

/** One issuer process. */
export interface Issuer {
  readonly name: string
  /** Reads the store; what it held stays where that fails. */
  reload(): Promise<void>
  /** The published document; `undefined` while the process is not ready. */
  serve(): Promise<PublicJwks | undefined>
  /** The key that signs now; `undefined` while the process does not mint. */
  signer(): Promise<Signer | undefined>
  readonly receive: PingReceiver
  /** Ends the process and starts it anew; it comes back with its first good read. */
  restart(): Promise<void>
}

/** What a process runs on. */
export interface IssuerDeps {
  readonly name: string
  readonly rules: Rules
  readonly policy: Policy
  readonly timeline: Timeline
  readonly clock: Clock
  readonly network: Network
  readonly store: Store
  readonly storage: SharedStorage
  readonly library: Library
  /** Verifies a ping and answers it, or throws. */
  openPing(ping: Parameters<PingReceiver>[0], clock: Clock): Promise<{ id: string; ping: Ping }>
  /** After the published document changed. */
  onChange(keyring: Keyring, jwks: PublicJwks): void
  onRevoked(kids: readonly string[]): void
}

interface Held {
  readonly read: Keyring
  /** With every revocation that counts applied. */
  readonly keyring: Keyring
  readonly jwks: PublicJwks
  readonly sinceMs: number
}

/** A confirmation in shared storage counts for this long. */
const CONFIRMED_MS = 1_000

/** Makes a process that holds nothing yet, as apps/issuer does it: poll, ping, webhook, S. */
export function createIssuer(deps: IssuerDeps): Issuer {
  const { name, rules, policy, timeline, clock, network, store, storage, library } = deps
  let held: Held | undefined
  let seen: ReadonlyMap<string, Revocation> = new Map()
  let announced: readonly (Revocation & { readonly revision: number })[] = []
  let confirmedAtMs = Number.NEGATIVE_INFINITY
  let pings = new Set<string>()
  let life = 0

  function derive(read: Keyring): void {
    const revocations = [...seen.values(), ...announced.filter(({ kid }) => !seen.has(kid))]
    const now = Math.max(0, ...revocations.map(({ at }) => at))
    const keyring =
      revocations.length === 0
        ? read
        : rules.apply(read, { verb: 'revoke', revocations, fresh: [] }, { policy, now })
    const jwks = library.published(keyring)
    const changed = jwks !== held?.jwks
    held = { read, keyring, jwks, sinceMs: changed ? timeline.nowMs() : (held?.sinceMs ?? 0) }
    if (changed) deps.onChange(keyring, jwks)
  }

  function learn(revocations: readonly Revocation[]): void {
    seen = new Map([...revocations.map((one) => [one.kid, one] as const), ...seen])
  }

  async function reload(): Promise<void> {
    const mine = life
    try {
      await network.cross(`${name}-store`)
      const state = store.read()
      const { keyring } = await library.parse(state)
      await timeline.sleep(10)
      if (mine === life) accept(keyring)
    } catch (error) {
      if (!(error instanceof AuthError)) throw error
    }
  }

  function accept(keyring: Keyring): void {
    learn(keyring.revocations)
    const wentBack = held && keyring.revision < held.read.revision
    if (!wentBack) announced = announced.filter(({ revision }) => keyring.revision <= revision)
    derive(wentBack && held ? held.read : keyring)
  }

  /** Compares with shared storage, at most once in a second, and catches up where it is behind. */
  async function confirm(): Promise<void> {
    if (!held || timeline.nowMs() - confirmedAtMs <= CONFIRMED_MS) return
    if (!network.isUp(`${name}-storage`)) return
    if (storage.revision > held.read.revision) await reload()
    if (!network.isUp(`${name}-storage`)) return
    const known = seen.size
    learn([...storage.revoked.values()])
    for (const [kid, revocation] of seen) storage.revoked.set(kid, revocation)
    deps.onRevoked([...storage.revoked.keys()])
    if (seen.size !== known) derive(held.read)
    if (held.read.revision < storage.revision) return
    storage.revision = held.read.revision
    confirmedAtMs = timeline.nowMs()
  }

  async function ready(): Promise<Held | undefined> {
    await confirm()
    return rules.maySign(timeline.nowMs() - confirmedAtMs, policy) ? held : undefined
  }

  async function obey(ping: Ping): Promise<void> {
    if (ping.type === 'keys.changed') return await reload()
    if (ping.type !== 'keys.revoked' || !held) return
    const { kids, revision } = ping.data
    const present = rules.denied(kids, held.jwks)
    const at = nowSeconds(clock)
    announced = [
      ...announced,
      ...present.map((kid) => ({ kid, at, reason: 'announced', revision })),
    ]
    derive(held.read)
  }

  async function receive(signed: Parameters<PingReceiver>[0]): Promise<Acknowledgement> {
    const { id, ping } = await deps.openPing(signed, clock)
    if (pings.has(id)) throw new AuthError('ping_replayed', 'an id counts once')
    pings.add(id)
    await obey(ping)
    if (!held) throw new AuthError('keys_unavailable', 'a keyring has been loaded')
    const age = Math.floor((timeline.nowMs() - held.sinceMs) / 1000)
    return { ...(await library.acknowledgement(held.jwks)), age }
  }

  return {
    name,
    reload,
    receive,
    serve: async () => (await ready())?.jwks,
    async signer() {
      const current = currentKey(
        (await ready())?.keyring ?? { keys: [], revocations: [], revision: 0 },
      )
      return current?.privateJwk && (await library.signer(current))
    },
    async restart() {
      life += 1
      held = undefined
      seen = new Map()
      announced = []
      pings = new Set()
      confirmedAtMs = Number.NEGATIVE_INFINITY
      await reload()
    },
  }
}
