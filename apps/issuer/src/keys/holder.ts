import type { Clock } from '@keyturn/auth-core'
import type { Policy, Revocation } from '@keyturn/auth-core/signing'
import { deriveHeldKeys, type HeldKeys, type KnownKeys } from './held-keys.ts'
import type { KeyringRead, Propagation } from './keyring-reader.ts'

/** What a read changed. `went_back`: a lower revision, of which only the revocations count. */
export type AcceptOutcome = 'changed' | 'unchanged' | 'went_back'

/** Holds the newest good keyring. */
export interface KeyHolder {
  /** What is held now; absent only before the first good read. */
  held(): HeldKeys | undefined
  /**
   * Takes a read that began at `readAtMs`. The revision never goes back, except to `resetTo`, which
   * a signed reset names; such a read starts anew, revocations included.
   *
   * @throws {AuthError} `jwk_invalid`; what is held stays
   */
  accept(
    read: KeyringRead,
    options: { readonly readAtMs: number; readonly resetTo?: number | undefined },
  ): Promise<AcceptOutcome>
  /** Revocations that were read from the store: they count from now on, for ever. */
  revoke(revocations: readonly Revocation[]): Promise<void>
  /**
   * Revocations that a signed ping announced before the store has them. Only kids that are held
   * count, and they lapse with a later revision that does not confirm them.
   */
  announce(revocations: readonly Revocation[], revision: number): Promise<void>
}

interface Announced {
  readonly revocation: Revocation
  readonly revision: number
}

const NO_PROPAGATION: Propagation = { edges: [], webhookSecrets: [] }

/** Makes a holder that holds nothing yet. Changes are applied one after the other. */
export function createKeyHolder(deps: {
  readonly policy: Policy
  readonly clock: Clock
}): KeyHolder {
  const { policy, clock } = deps
  let last: { read: KeyringRead; readAtMs: number } | undefined
  let propagation = NO_PROPAGATION
  let seen: readonly Revocation[] = []
  let announced: readonly Announced[] = []
  let current: HeldKeys | undefined
  let busy: Promise<unknown> = Promise.resolve()

  function oneAtATime<T>(change: () => Promise<T>): Promise<T> {
    const result = busy.then(change)
    busy = result.catch(() => undefined)
    return result
  }

  function derive(known: Omit<KnownKeys, 'propagation'>): Promise<HeldKeys> {
    return deriveHeldKeys(
      { ...known, propagation },
      { policy, nowMs: clock.nowMs(), before: current },
    )
  }

  async function take(
    read: KeyringRead,
    { readAtMs, resetTo }: { readonly readAtMs: number; readonly resetTo?: number | undefined },
  ): Promise<AcceptOutcome> {
    const { revision, revocations } = read.keyring
    const goesBack = last !== undefined && revision < last.read.keyring.revision
    const resets = goesBack && revision === resetTo
    if (goesBack && !resets) {
      await rederive(union(seen, revocations), announced)
      return 'went_back'
    }
    const nextSeen = resets ? revocations : union(seen, revocations)
    const nextAnnounced = resets ? [] : announced.filter((one) => revision <= one.revision)
    propagation = read.propagation ?? propagation
    const before = current
    const all = union(
      nextSeen,
      nextAnnounced.map(({ revocation }) => revocation),
    )
    current = await derive({ read, readAtMs, revocations: all })
    last = { read, readAtMs }
    seen = nextSeen
    announced = nextAnnounced
    return isSame(before, current) ? 'unchanged' : 'changed'
  }

  async function rederive(
    nextSeen: readonly Revocation[],
    nextAnnounced: readonly Announced[],
  ): Promise<void> {
    seen = nextSeen
    announced = nextAnnounced
    if (!last) return
    const all = union(
      seen,
      announced.map(({ revocation }) => revocation),
    )
    current = await derive({ ...last, revocations: all })
  }

  return {
    held: () => current,
    accept: (read, options) => oneAtATime(() => take(read, options)),
    revoke: (revocations) => oneAtATime(() => rederive(union(seen, revocations), announced)),
    announce: (revocations, revision) =>
      oneAtATime(() => {
        const known = new Set(current?.keyring.keys.map(({ kid }) => kid))
        const fresh = revocations.filter(({ kid }) => known.has(kid))
        return rederive(seen, [
          ...announced,
          ...fresh.map((revocation) => ({ revocation, revision })),
        ])
      }),
  }
}

/** The first entry of a kid stays: what was derived from its time must not move. */
function union(a: readonly Revocation[], b: readonly Revocation[]): readonly Revocation[] {
  const known = new Set(a.map(({ kid }) => kid))
  return [...a, ...b.filter(({ kid }) => !known.has(kid))]
}

function isSame(before: HeldKeys | undefined, after: HeldKeys): boolean {
  return before !== undefined && before.body === after.body
}
