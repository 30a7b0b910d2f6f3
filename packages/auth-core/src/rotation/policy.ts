import { type AlgorithmName, findAlgorithm } from '../algorithms.ts'
import { AuthError } from '../errors.ts'
import type { Seconds } from '../time.ts'

/** The windows of a rotation and what they follow from, in whole seconds. */
export interface Policy {
  readonly alg: AlgorithmName
  /** T: the longest life of an access token. */
  readonly accessTokenTtl: Seconds
  /** M: how long a reader may keep the JWKS (its max-age at the last hop). */
  readonly jwksMaxAge: Seconds
  /** C: how old a copy in a shared cache may be when it is handed on. */
  readonly sharedCacheAge: Seconds
  /** O: the longest outage, of the JWKS origin or of the issuers' store, that costs no valid token. */
  readonly longestOutage: Seconds
  /** e: the largest difference between two clocks. */
  readonly clockDifference: Seconds
  /** L: how long after `exp` a verifier still takes a token. */
  readonly clockTolerance: Seconds
  /** S: how long an issuer process may sign without having confirmed the newest revision. */
  readonly confirmationAge: Seconds
  /** From stage to flip, at least. */
  readonly propagationWindow: Seconds
  /** From flip to retire, at least. */
  readonly overlapWindow: Seconds
  /** How long a key signs before it is due to turn. */
  readonly rotationAge: Seconds
}

const DAY = 86_400

const DEFAULTS: Policy = {
  alg: 'EdDSA',
  accessTokenTtl: 600,
  jwksMaxAge: 300,
  sharedCacheAge: 60,
  longestOutage: 1800,
  clockDifference: 60,
  clockTolerance: 60,
  confirmationAge: 30,
  propagationWindow: 3600,
  overlapWindow: 3600,
  rotationAge: 60 * DAY,
}

/** The shortest time in which every verifier surely knows a staged key: M + C + O + e. */
export function shortestPropagation(policy: Policy): Seconds {
  return policy.jwksMaxAge + policy.sharedCacheAge + policy.longestOutage + policy.clockDifference
}

/**
 * The longest time that a token outlives the flip of its key: T + L + e + S, and O, for which the
 * issuers may be cut off from the store that the flip was written to, and go on with the old key.
 */
export function shortestOverlap(policy: Policy): Seconds {
  return (
    policy.accessTokenTtl +
    policy.clockTolerance +
    policy.clockDifference +
    policy.confirmationAge +
    policy.longestOutage
  )
}

/**
 * Completes a policy with the defaults and refuses one under which a valid token could be refused.
 *
 * Propagation window ≥ M + C + O + e, and overlap window ≥ T + L + e + S + O.
 *
 * @throws {AuthError} `policy_invalid`, with both sides of the broken inequality in its message
 */
export function definePolicy(options: Partial<Policy> = {}): Policy {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(DEFAULTS, name))
  if (unknown.length > 0) throw invalid(`a policy has no member ${unknown.join(', ')}`)
  const policy = { ...DEFAULTS, ...options }
  if (!findAlgorithm(policy.alg)?.signs) throw invalid('alg is an algorithm that signs here')
  const { alg: _, ...durations } = policy
  for (const [name, value] of Object.entries(durations)) {
    if (!Number.isInteger(value) || value < 0) throw invalid(`${name} is whole seconds, 0 or more`)
  }
  for (const name of [
    'accessTokenTtl',
    'propagationWindow',
    'overlapWindow',
    'rotationAge',
  ] as const) {
    if (policy[name] === 0) throw invalid(`${name} is at least one second`)
  }
  if (policy.clockTolerance > 300) throw invalid('clockTolerance is at most 300 s')
  requireWindow(
    policy,
    'propagationWindow',
    shortestPropagation(policy),
    'jwksMaxAge + sharedCacheAge + longestOutage + clockDifference',
  )
  requireWindow(
    policy,
    'overlapWindow',
    shortestOverlap(policy),
    'accessTokenTtl + clockTolerance + clockDifference + confirmationAge + longestOutage',
  )
  return policy
}

function requireWindow(
  policy: Policy,
  name: 'propagationWindow' | 'overlapWindow',
  shortest: Seconds,
  sum: string,
): void {
  if (policy[name] < shortest) {
    throw invalid(`${name} (${policy[name]} s) is at least ${sum} (${shortest} s)`)
  }
}

function invalid(message: string): AuthError {
  return new AuthError('policy_invalid', message)
}
