import type { Seconds } from '@keyturn/auth-core'
import {
  definePolicy,
  type Policy,
  shortestOverlap,
  shortestPropagation,
} from '@keyturn/auth-core/signing'
import type { Random } from './random.ts'

/** How often and how badly things go wrong in one run. Probabilities are 0 to 1. */
export interface Faults {
  readonly pingLoss: number
  readonly pingDouble: number
  /** Pings overtake one another, since each is late by another time. */
  readonly pingDelayMs: number
  readonly forgedPings: boolean
  readonly webhookLoss: number
  /** How old a read of the store may be. */
  readonly readLagMs: number
  /** At each of the points between the writes of a step. */
  readonly rotatorCrash: number
  /** Per day: a process that loses its way to the store or to storage, or is started anew. */
  readonly issuerTroubles: number
  /** Per day: an outage of the JWKS origin, of the store, or of the hub's way to the origin. */
  readonly outages: number
  /** Per day: a location that loses its way to the hub. */
  readonly partitions: number
  readonly isolateEviction: number
  readonly hubEvictions: number
  readonly clockJumps: number
  readonly handEdits: number
}

/** Nothing goes wrong. */
export const CALM: Faults = {
  pingLoss: 0,
  pingDouble: 0,
  pingDelayMs: 0,
  forgedPings: false,
  webhookLoss: 0,
  readLagMs: 0,
  rotatorCrash: 0,
  issuerTroubles: 0,
  outages: 0,
  partitions: 0,
  isolateEviction: 0,
  hubEvictions: 0,
  clockJumps: 0,
  handEdits: 0,
}

/** What operators do beside the schedule. Per rotation. */
export interface Interventions {
  readonly restore: number
  readonly replace: number
  readonly revoke: number
}

/** One run: everything follows from the seed. */
export interface Scenario {
  readonly policy: Policy
  readonly faults: Faults
  readonly interventions: Interventions
  readonly rotators: number
  readonly issuers: number
  readonly locations: number
  readonly isolates: number
  readonly readers: number
  /** The longest outage of each kind. */
  readonly longest: { readonly outage: Seconds; readonly hub: Seconds }
}

/**
 * How long a change may take to the hub when every ping and webhook is lost: an issuer polls every
 * 60 s ± 20 %, the hub every 60 s. The inequalities do not name it: it has to fit into O.
 */
export const HINTLESS_LAG: Seconds = 72 + 60 + 8

/** What a caller fixes; everything else comes from the seed. */
export interface ScenarioOptions {
  readonly verifiers: number
  readonly policy?: Partial<Policy> | undefined
}

/** Draws a run from its seed. Each kind of fault is there in about half of all runs. */
export function drawScenario(random: Random, options: ScenarioOptions): Scenario {
  const policy = options.policy ? definePolicy(options.policy) : drawPolicy(random)
  const readers = Math.round(options.verifiers / 2)
  const holdable = policy.overlapWindow - policy.jwksMaxAge - policy.sharedCacheAge
  return {
    policy,
    faults: drawFaults(random),
    interventions: {
      restore: sometimes(random, 0.1),
      replace: sometimes(random, 0.15),
      revoke: sometimes(random, 0.06),
    },
    rotators: random.int(1, 2),
    issuers: random.int(1, 4),
    locations: 10,
    isolates: options.verifiers - readers,
    readers,
    longest: {
      outage: Math.max(0, policy.longestOutage - HINTLESS_LAG),
      // Beyond O on purpose, for the gate has to hold the flip; the hub serves for an hour.
      hub: Math.max(0, Math.min(3300, holdable - HINTLESS_LAG)),
    },
  }
}

/** A policy that keeps both inequalities, often with no second to spare in the propagation window. */
function drawPolicy(random: Random): Policy {
  const clockDifference = random.pick([2, 10, 30, 60])
  const base = definePolicy({
    accessTokenTtl: random.pick([60, 300, 600, 900]),
    jwksMaxAge: random.pick([60, 120, 300]),
    sharedCacheAge: random.pick([0, 30, 60]),
    longestOutage: random.pick([600, 900, 1800]),
    clockDifference,
    clockTolerance: random.pick([clockDifference, 60]),
    confirmationAge: random.pick([10, 30]),
    propagationWindow: 86_400,
    overlapWindow: 86_400,
  })
  const propagationWindow = Math.round(shortestPropagation(base) * random.pick([1, 1, 1.5]))
  // The inequality leaves out that issuers may be unable to read the store, for O and a poll.
  const overlapWindow = shortestOverlap(base) + base.longestOutage + HINTLESS_LAG
  return definePolicy({
    ...base,
    propagationWindow,
    overlapWindow: Math.round(overlapWindow * random.pick([1, 1.5])),
    rotationAge: Math.round(propagationWindow * random.pick([0.8, 1, 2])),
  })
}

function drawFaults(random: Random): Faults {
  return {
    pingLoss: sometimes(random, 0.6),
    pingDouble: sometimes(random, 0.5),
    pingDelayMs: sometimes(random, 60_000),
    forgedPings: random.chance(0.5),
    webhookLoss: random.chance(0.3) ? 1 : sometimes(random, 0.8),
    readLagMs: sometimes(random, 2_000),
    rotatorCrash: sometimes(random, 0.1),
    issuerTroubles: sometimes(random, 24),
    outages: sometimes(random, 24),
    partitions: sometimes(random, 24),
    isolateEviction: sometimes(random, 0.3),
    hubEvictions: sometimes(random, 48),
    clockJumps: sometimes(random, 48),
    handEdits: sometimes(random, 8),
  }
}

/** Nothing in half of all runs, else something up to `most`. */
function sometimes(random: Random, most: number): number {
  const share = random.next()
  return share < 0.5 ? 0 : Math.round((share - 0.5) * 2 * most * 1000) / 1000
}
