import type { Clock } from '@keyturn/auth-core'
import type { Policy, Revocation } from '@keyturn/auth-core/signing'
import { deriveHeldKeys, type HeldKeys } from './held-keys.ts'
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

/** What was learned so far; what is held follows from it. */
interface Knowledge {
  /** The newest good read. */
  readonly read: KeyringRead
  readonly readAtMs: number
  /** Of the last read that had it. */
  readonly propagation: Propagation
  /** Of every list that was ever read. */
  readonly seen: readonly Revocation[]
  readonly announced: readonly Announced[]
}

const NO_PROPAGATION: Propagation = { edges: [], webhookSecrets: [] }

/** Makes a holder that holds nothing yet. Changes are applied one after the other. */
export function createKeyHolder(deps: {
  readonly policy: Policy
  readonly clock: Clock
}): KeyHolder {
  const { policy, clock } = deps
  let knowledge: Knowledge | undefined
  let current: HeldKeys | undefined
  let busy: Promise<unknown> = Promise.resolve()

  function oneAtATime<T>(change: () => Promise<T>): Promise<T> {
    const result = busy.then(change)
    busy = result.catch(() => undefined)
    return result
  }

  /** All or nothing: where nothing can be derived, what was held and known stays. */
  async function learn(next: Knowledge): Promise<AcceptOutcome> {
    const announced = next.announced.map(({ revocation }) => revocation)
    const revocations = union(next.seen, announced)
    const at = { policy, nowMs: clock.nowMs(), before: current }
    const held = await deriveHeldKeys({ ...next, revocations }, at)
    const outcome = held.body === current?.body ? 'unchanged' : 'changed'
    current = held
    knowledge = next
    return outcome
  }

  async function accept(
    read: KeyringRead,
    { readAtMs, resetTo }: Parameters<KeyHolder['accept']>[1],
  ): Promise<AcceptOutcome> {
    const { revision, revocations } = read.keyring
    const goesBack = knowledge !== undefined && revision < knowledge.read.keyring.revision
    if (knowledge && goesBack && revision !== resetTo) {
      await learn({ ...knowledge, seen: union(knowledge.seen, revocations) })
      return 'went_back'
    }
    const before = goesBack ? undefined : knowledge
    return await learn({
      read,
      readAtMs,
      propagation: read.propagation ?? knowledge?.propagation ?? NO_PROPAGATION,
      seen: union(before?.seen ?? [], revocations),
      announced: (before?.announced ?? []).filter((one) => revision <= one.revision),
    })
  }

  async function revoke(revocations: readonly Revocation[]): Promise<void> {
    if (knowledge) await learn({ ...knowledge, seen: union(knowledge.seen, revocations) })
  }

  async function announce(revocations: readonly Revocation[], revision: number): Promise<void> {
    if (!knowledge) return
    const held = new Set(current?.keyring.keys.map(({ kid }) => kid))
    const fresh = revocations
      .filter(({ kid }) => held.has(kid))
      .map((revocation) => ({ revocation, revision }))
    await learn({ ...knowledge, announced: [...knowledge.announced, ...fresh] })
  }

  return {
    held: () => current,
    accept: (read, options) => oneAtATime(() => accept(read, options)),
    revoke: (revocations) => oneAtATime(() => revoke(revocations)),
    announce: (revocations, revision) => oneAtATime(() => announce(revocations, revision)),
  }
}

/** The first entry of a kid stays: what was derived from its time must not move. */
function union(a: readonly Revocation[], b: readonly Revocation[]): readonly Revocation[] {
  const known = new Set(a.map(({ kid }) => kid))
  return [...a, ...b.filter(({ kid }) => !known.has(kid))]
}
