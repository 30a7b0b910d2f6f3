import type { Seconds } from '../time.ts'
import type { RefreshPolicy } from './refresh-policy.ts'

/** The row of a family. All its instants are of the storage's clock. */
export interface RefreshFamily {
  readonly family: string
  readonly clientId: string
  /** The newest token: handed out, and not used yet. */
  readonly counter: number
  /** When the newest token was first handed out. */
  readonly rotatedAt: Seconds
  /** The end of the family, set at its start. */
  readonly expiresAt: Seconds
  /** Of a confidential client, or bound to a DPoP key. */
  readonly bound: boolean
  /** Absent: it lives. */
  readonly ended?: { readonly at: Seconds; readonly reason: FamilyEnd }
}

/** Why a family ended: a token was used after its successor, or somebody revoked it. */
export type FamilyEnd = 'reuse' | 'revoked'

/** A refresh token as it is presented. */
export interface RefreshPresentation {
  readonly clientId: string
  readonly counter: number
  /** Whether its MAC is of the family (`isAuthentic`). */
  readonly authentic: boolean
}

/** Why a token is refused without any change. Outside all of them are `invalid_grant`. */
export type RefreshRefusal =
  | 'family_unknown'
  | 'mac_invalid'
  | 'client_mismatch'
  | 'family_ended'
  | 'family_expired'
  | 'family_idle'

/** What an operator should learn of. */
export type RefreshEvent = 'refresh.reused' | 'refresh.rolled_back' | 'refresh.other_client'

/**
 * What to do with a presented refresh token.
 *
 * - `rotate`: write `next`, then hand out its token
 * - `repeat`: hand out the newest token again, write nothing
 * - `rolled_back`: as `rotate`, and report that storage has lost writes
 * - `reuse`: write `next`, in which the family has ended; hand out nothing
 * - `refuse`: hand out nothing, write nothing
 *
 * `next` is written by compare-and-set against the row that was decided on; where that fails, read
 * again and decide again. The token of a row is `formatRefreshToken` of its family and counter.
 */
export type RefreshDecision =
  | { readonly outcome: 'rotate'; readonly next: RefreshFamily }
  | { readonly outcome: 'repeat'; readonly newest: RefreshFamily }
  | {
      readonly outcome: 'rolled_back'
      readonly next: RefreshFamily
      readonly event: 'refresh.rolled_back'
    }
  | { readonly outcome: 'reuse'; readonly next: RefreshFamily; readonly event: 'refresh.reused' }
  | {
      readonly outcome: 'refuse'
      readonly reason: RefreshRefusal
      readonly event?: 'refresh.other_client'
    }

type At = { readonly policy: RefreshPolicy; readonly now: Seconds }

/** The row of a family that starts at `now`; its first token has the counter 1. */
export function startRefreshFamily(
  { family, clientId, bound }: Pick<RefreshFamily, 'family' | 'clientId' | 'bound'>,
  { policy, now }: At,
): RefreshFamily {
  const expiresAt = now + policy.absoluteTtl
  return { family, clientId, counter: 1, rotatedAt: now, expiresAt, bound }
}

/** The row of a family that ends at `now`. The first end of a family stays. */
export function endRefreshFamily(
  family: RefreshFamily,
  reason: FamilyEnd,
  now: Seconds,
): RefreshFamily {
  return { ...family, ended: family.ended ?? { at: now, reason } }
}

/**
 * Decides over a presented refresh token. `now` is of the storage's clock, read with the row.
 *
 * Checks, in order: that the family is there; the MAC; the client; that the family has not ended,
 * expired (from `expiresAt` on) or been unused for the idle lifetime; then the counter. The newest
 * token rotates. The one before gets the newest one again, up to and including the repeat window after
 * that was first handed out: clocks in whole seconds never cut the window short. Anything older, or
 * later, ends the family. A counter above the row's was handed out by a row that storage has lost: it
 * is accepted once, and is not idle, since the row's times are as old as its counter.
 *
 * A bad MAC and another client end nothing: else who knows a family's name, or holds one token, could
 * sign its owner out. Not checked: scope, and whether client, user or proof of possession hold.
 *
 * @see RFC 9700 section 4.14.2, RFC 6749 section 10.4
 */
export function decideRefresh(
  presentation: RefreshPresentation,
  row: RefreshFamily | undefined,
  at: At,
): RefreshDecision {
  if (!row) return { outcome: 'refuse', reason: 'family_unknown' }
  const reason = refusalOf(presentation, row, at)
  if (reason === 'client_mismatch') {
    return { outcome: 'refuse', reason, event: 'refresh.other_client' }
  }
  if (reason) return { outcome: 'refuse', reason }
  const { policy, now } = at
  const successor = { ...row, counter: presentation.counter + 1, rotatedAt: now }
  const behind = row.counter - presentation.counter
  if (behind === 0) return { outcome: 'rotate', next: successor }
  if (behind < 0) return { outcome: 'rolled_back', next: successor, event: 'refresh.rolled_back' }
  const repeatWindow = row.bound ? policy.boundRepeatWindow : policy.repeatWindow
  if (behind === 1 && now - row.rotatedAt <= repeatWindow) return { outcome: 'repeat', newest: row }
  return { outcome: 'reuse', next: endRefreshFamily(row, 'reuse', now), event: 'refresh.reused' }
}

function refusalOf(
  { authentic, clientId, counter }: RefreshPresentation,
  row: RefreshFamily,
  { policy, now }: At,
): RefreshRefusal | undefined {
  if (!authentic) return 'mac_invalid'
  if (clientId !== row.clientId) return 'client_mismatch'
  if (row.ended) return 'family_ended'
  if (now >= row.expiresAt) return 'family_expired'
  const rolledBack = counter > row.counter
  if (!rolledBack && now >= row.rotatedAt + policy.idleTtl) return 'family_idle'
  return undefined
}
