import type { Clock } from '@keyturn/auth-core'
import type { KeyringSecret, StoredKeyring } from '@keyturn/auth-core/signing'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** One state of the store: what a read that is served from it brings. */
export interface StoreState {
  readonly stored: StoredKeyring
  /** By secret: moved by every write of it. */
  readonly versions: Readonly<Partial<Record<KeyringSecret, number>>>
  /** True time at which it came about. */
  readonly sinceMs: number
}

/**
 * The secret store as Infisical is: batches are atomic, each write moves the version of what it
 * writes, `updatedAt` of public_jwks is the revision, there is no compare-and-set, and a read may
 * come from a replica that lags.
 */
export interface Store {
  read(): StoreState
  /** The newest state, which only the simulation itself may see. */
  newest(): StoreState
  write(secrets: Readonly<Partial<Record<KeyringSecret, string>>>): void
  /** Creates /auth/revoked/<kid>; one that is there stays as it is. */
  revoke(kid: string, value: string): void
}

/** Makes a store that holds one keyring. `onWrite` hears of every new state. */
export function createStore(deps: {
  readonly timeline: Timeline
  readonly clock: Clock
  readonly random: Random
  readonly lagMs: () => number
  readonly initial: Readonly<Record<KeyringSecret, string>>
  onWrite(state: StoreState): void
}): Store {
  const { timeline, clock, random } = deps
  let history: readonly StoreState[] = [
    {
      stored: { secrets: deps.initial, revision: clock.nowMs(), revoked: {} },
      versions: {
        current_private_key: 1,
        next_private_key: 1,
        previous_private_key: 1,
        public_jwks: 1,
      },
      sinceMs: timeline.nowMs(),
    },
  ]

  function newest(): StoreState {
    const state = history.at(-1)
    if (!state) throw new Error('a store has a state')
    return state
  }

  function put(change: Pick<StoreState, 'stored' | 'versions'>): void {
    const state = { ...change, sinceMs: timeline.nowMs() }
    const lagging = history.filter((_, index) => {
      const replacedAtMs = history[index + 1]?.sinceMs ?? state.sinceMs
      return state.sinceMs - replacedAtMs <= 10_000
    })
    history = [...lagging, state]
    deps.onWrite(state)
  }

  return {
    newest,
    read() {
      const asOfMs = timeline.nowMs() - random.between(0, deps.lagMs())
      return history.findLast(({ sinceMs }) => sinceMs <= asOfMs) ?? history[0] ?? newest()
    },
    write(secrets) {
      const { stored, versions } = newest()
      const moved = Object.keys(secrets).map((name) => [
        name,
        (versions[name as KeyringSecret] ?? 0) + 1,
      ])
      // The database's clock moves on with every write, whatever the clocks around it do.
      const revision =
        secrets.public_jwks === undefined
          ? stored.revision
          : Math.max(stored.revision + 1, clock.nowMs())
      put({
        stored: { ...stored, secrets: { ...stored.secrets, ...secrets }, revision },
        versions: { ...versions, ...Object.fromEntries(moved) },
      })
    },
    revoke(kid, value) {
      const { stored, versions } = newest()
      if (Object.hasOwn(stored.revoked, kid)) return
      put({ stored: { ...stored, revoked: { ...stored.revoked, [kid]: value } }, versions })
    },
  }
}
