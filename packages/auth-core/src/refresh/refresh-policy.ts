import { AuthError } from '../errors.ts'
import type { Seconds } from '../time.ts'

/** How long refresh tokens live, and how long the one before the newest may be repeated. */
export interface RefreshPolicy {
  /** From the start of a family to its end, whatever happens. */
  readonly absoluteTtl: Seconds
  /** How long a family lives without being used. */
  readonly idleTtl: Seconds
  /** How long the previous token gets its successor again. */
  readonly repeatWindow: Seconds
  /** The same for a family of a confidential client or bound to a DPoP key: a thief lacks the key. */
  readonly boundRepeatWindow: Seconds
}

const DAY = 86_400

const DEFAULTS: RefreshPolicy = {
  absoluteTtl: 90 * DAY,
  idleTtl: 14 * DAY,
  repeatWindow: 10,
  boundRepeatWindow: 120,
}

const MAX_REPEAT_WINDOW = 300

/**
 * Completes a policy with the defaults (90 days, 14 days unused, 10 s and 120 s).
 *
 * @throws {AuthError} `policy_invalid` for a member that is unknown or no whole number of seconds, a
 *   lifetime of 0, an idle lifetime above the absolute one, or a repeat window above 300 s or not
 *   below the idle lifetime
 */
export function defineRefreshPolicy(options: Partial<RefreshPolicy> = {}): RefreshPolicy {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(DEFAULTS, name))
  if (unknown.length > 0) throw invalid(`a refresh policy has no member ${unknown.join(', ')}`)
  const policy = { ...DEFAULTS, ...options }
  for (const [name, value] of Object.entries(policy)) {
    if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} is whole seconds`)
  }
  const { absoluteTtl, idleTtl, repeatWindow, boundRepeatWindow } = policy
  if (idleTtl === 0) throw invalid('idleTtl is at least one second')
  if (idleTtl > absoluteTtl) throw invalid('idleTtl is at most absoluteTtl')
  if (Math.max(repeatWindow, boundRepeatWindow) > MAX_REPEAT_WINDOW) {
    throw invalid(`a repeat window is at most ${MAX_REPEAT_WINDOW} s`)
  }
  if (Math.max(repeatWindow, boundRepeatWindow) >= idleTtl) {
    throw invalid('a repeat window is shorter than idleTtl')
  }
  return policy
}

function invalid(message: string): AuthError {
  return new AuthError('policy_invalid', message)
}
