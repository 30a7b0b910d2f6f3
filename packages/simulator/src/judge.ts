import type { Seconds } from '@keyturn/auth-core'
import { type Policy, shortestPropagation } from '@keyturn/auth-core/signing'
import type { Chronicle, KeyFacts } from './chronicle.ts'
import type { Journal } from './journal.ts'
import type { Network } from './network.ts'
import { ms } from './rules.ts'
import { HINTLESS_LAG } from './scenario.ts'
import type { Timeline } from './timeline.ts'
import type { Verdict, Verifier } from './verifier.ts'

/** A promise that was broken. */
export interface Violation {
  readonly promise:
    | 'one_current_key'
    | 'published_before_signing'
    | 'unpublished_key_refused'
    | 'ended_key_refused'
    | 'withdrawn_key_refused'
    | 'revoked_key_refused'
    | 'dead_token_refused'
    | 'valid_token_accepted'
    | 'converges'
  readonly detail: string
}

/** What was seen, in numbers. */
export interface Tally {
  verifications: number
  accepted: number
  /** Tokens past their life, or of a key that was revoked: refused as they should be. */
  ended: number
  revoked: number
  /** Tokens under keys that never were, or are no more: refused as they should be. */
  hostile: number
  /** 503: no key set that is recent enough, during an outage. */
  unavailable: number
  /** 503: an isolate that is cut off from the hub does not know whether the key exists. */
  undecided: number
  /** Refusals of a key that had to sign before its time, since another one was revoked. */
  emergency: number
}

/** A token as the run knows it. */
export interface KnownToken {
  readonly text: string
  readonly kid: string
  readonly exp: Seconds
}

/** Holds the promises against what happens. */
export interface Judge {
  readonly tally: Tally
  violation(): Violation | undefined
  broken(promise: Violation['promise'], detail: string): void
  /** A token is minted under this key. */
  minted(kid: string): void
  /** A verifier judged a token of an issuer; `now` is what its clock said at the beginning. */
  honest(verifier: Verifier, token: KnownToken, at: { verdict: Verdict; now: Seconds }): void
  /** A verifier judged a fresh token that somebody made with a stolen or invented key. */
  hostile(verifier: Verifier, kid: string, verdict: Verdict): void
}

export interface JudgeDeps {
  readonly policy: Policy
  readonly timeline: Timeline
  readonly network: Network
  readonly chronicle: Chronicle
  readonly journal: Journal
  /** Until when something upstream of the hub and the readers was, or is, out of reach. */
  readonly trouble: { readonly untilMs: number }
}

/** From the acknowledged ping to the last acceptance at an isolate that reaches the hub. */
const REVOCATION_BUDGET_MS = 5_000
/** An isolate's way counts as up when it was up for as long as one read may take before. */
const REACHING_MS = 8_000
/** Latencies of a few requests in a row. */
const LATENCY_MS = 3_000
/** How long the hub serves when it is cut off from the issuers, and an isolate from the hub. */
const HUB_SERVES: Seconds = 3_600
const ISOLATE_SERVES: Seconds = 1_200

/** Makes a judge. It keeps the first violation. */
export function createJudge(deps: JudgeDeps): Judge {
  const { policy, timeline, network, chronicle, journal } = deps
  const tally: Tally = {
    verifications: 0,
    accepted: 0,
    ended: 0,
    revoked: 0,
    hostile: 0,
    unavailable: 0,
    undecided: 0,
    emergency: 0,
  }
  let found: Violation | undefined

  function broken(promise: Violation['promise'], detail: string): void {
    if (!found) journal.note(`BROKEN ${promise}: ${detail}`)
    found ??= { promise, detail }
  }

  /** Until every verifier has read a change: S and M + C + e; O after an outage; more if cut off. */
  function readBound(verifier: Verifier, sinceMs: number): number {
    const { confirmationAge, jwksMaxAge, sharedCacheAge, clockDifference, longestOutage } = policy
    const read = confirmationAge + jwksMaxAge + sharedCacheAge + clockDifference + HINTLESS_LAG
    const isTroubled = deps.trouble.untilMs > sinceMs
    const heldByHub = isTroubled && verifier.tier === 'isolate' ? HUB_SERVES : 0
    const heldByIsolate = isCutOff(verifier) ? ISOLATE_SERVES : 0
    return ms(read + (isTroubled ? longestOutage : 0) + heldByHub + heldByIsolate)
  }

  function acceptedUnder(verifier: Verifier, kid: string): void {
    const facts = chronicle.facts(kid)
    const where = `${verifier.name} accepted ${kid}`
    if (!facts) {
      broken('unpublished_key_refused', where)
      return
    }
    const nowMs = timeline.nowMs()
    const { endsAt, goneAtMs } = facts
    if (endsAt !== undefined && nowMs > ms(endsAt + policy.clockDifference)) {
      broken('ended_key_refused', `${where}, ${nowMs / 1000 - endsAt} s after its end`)
    }
    if (isRevocationLate(verifier, facts)) broken('revoked_key_refused', where)
    const isWithdrawn = goneAtMs !== undefined && endsAt === undefined && !isRevoked(facts)
    if (isWithdrawn && nowMs > goneAtMs + readBound(verifier, goneAtMs)) {
      broken('withdrawn_key_refused', `${where}, ${(nowMs - goneAtMs) / 1000} s after it was gone`)
    }
  }

  function isRevocationLate(verifier: Verifier, facts: KeyFacts): boolean {
    const nowMs = timeline.nowMs()
    const { deniedAtMs = Infinity, hubKnowsAtMs = Infinity } = facts
    const knownAtMs = Math.min(facts.issuersKnowAtMs ?? Infinity, facts.revokedAtMs ?? Infinity)
    if (nowMs > knownAtMs + readBound(verifier, knownAtMs) + LATENCY_MS) return true
    if (verifier.tier === 'reader' || isCutOff(verifier)) return false
    return nowMs > Math.min(deniedAtMs, hubKnowsAtMs) + REVOCATION_BUDGET_MS
  }

  /** It serves for 20 min what it holds, which may be older than its trouble if it was idle. */
  function isCutOff({ tier, link }: Verifier): boolean {
    return tier === 'isolate' && network.wasDown(link, REACHING_MS)
  }

  function refusedUnder(verifier: Verifier, kid: string, verdict: Verdict): void {
    const facts = chronicle.facts(kid)
    const knownByMs = (facts?.publishedAtMs ?? 0) + ms(shortestPropagation(policy) + HINTLESS_LAG)
    if (facts && isRevoked(facts)) tally.revoked += 1
    else if (verdict === 'keys_unavailable') tally.unavailable += 1
    else if (verdict === 'key_undecided' && isCutOff(verifier)) tally.undecided += 1
    else if (facts?.emergency && timeline.nowMs() < knownByMs) tally.emergency += 1
    else broken('valid_token_accepted', `${verifier.name} refused ${kid}: ${verdict}`)
  }

  return {
    tally,
    violation: () => found,
    broken,
    minted(kid) {
      const facts = chronicle.facts(kid)
      const signing = chronicle.signing()
      // Issuers leave a revoked key at the ping, long before the store calls another one current.
      if (facts && signing && signing !== facts && isRevoked(signing)) facts.emergency = true
      const leadMs = timeline.nowMs() - (facts?.publishedAtMs ?? timeline.nowMs())
      if (facts?.emergency || leadMs >= ms(policy.propagationWindow - policy.clockDifference))
        return
      broken('published_before_signing', `${kid} signs ${leadMs / 1000} s after it was published`)
    },
    honest(verifier, { kid, exp }, { verdict, now }) {
      tally.verifications += 1
      if (verdict === 'accepted') {
        tally.accepted += 1
        acceptedUnder(verifier, kid)
        if (now >= exp + policy.clockTolerance) {
          broken('dead_token_refused', `${verifier.name} accepted a token ${now - exp} s after exp`)
        }
      } else if (now >= exp) tally.ended += 1
      else refusedUnder(verifier, kid, verdict)
    },
    hostile(verifier, kid, verdict) {
      tally.verifications += 1
      if (verdict === 'accepted') {
        // Of a stolen key that nobody has withdrawn yet.
        tally.accepted += 1
        acceptedUnder(verifier, kid)
      } else tally.hostile += 1
    },
  }
}

function isRevoked({ revokedAtMs, pingedAtMs }: KeyFacts): boolean {
  return revokedAtMs !== undefined || pingedAtMs !== undefined
}
