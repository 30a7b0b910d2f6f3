import { type InfisicalError, isInfisicalError } from './errors.ts'

const MAX_ATTEMPTS = 4
const FIRST_WAIT_MS = 200
const TRANSIENT_STATUS: ReadonlySet<number | undefined> = new Set([502, 503, 504])

/** Where a call stands after its last attempt failed. */
export interface AttemptState {
  /** Attempts made so far. */
  readonly attempt: number
  /** Whether sending again does no harm when the first sending may have arrived. */
  readonly repeatable: boolean
  /** Until the deadline. */
  readonly remainingMs: number
  /** Between 0 and 1. */
  readonly random: number
}

/**
 * How long to wait before the next attempt; undefined where there must be none: the error is
 * final, the attempts are used up, or the wait would pass the deadline.
 */
export function retryDelayMs(error: unknown, state: AttemptState): number | undefined {
  if (!isInfisicalError(error) || state.attempt >= MAX_ATTEMPTS) return undefined
  if (!mayRepeat(error, state.repeatable)) return undefined
  const backoffMs = FIRST_WAIT_MS * 2 ** (state.attempt - 1) * (0.5 + state.random / 2)
  const askedMs = (error.retryAfter ?? 0) * 1000
  const waitMs = askedMs + backoffMs
  return waitMs < state.remainingMs ? waitMs : undefined
}

/** A write that may have arrived is never sent twice: Infisical moves the version each time. */
function mayRepeat(error: InfisicalError, repeatable: boolean): boolean {
  if (error.code === 'rate_limited') return true
  if (error.code === 'unreachable') return repeatable || error.details.notSent === true
  return repeatable && error.code === 'server_error' && TRANSIENT_STATUS.has(error.status)
}
