/**
 * What went wrong between us and Infisical, as a stable word. Callers switch on it, never on the
 * message.
 *
 * - `unreachable`: no connection (DNS, refused, reset, TLS)
 * - `timeout`: the deadline over the whole call passed
 * - `redirected`: a redirect, which is never followed
 * - `access_blocked`: Cloudflare answered in place of Infisical
 * - `not_json`, `unexpected_answer`: the answer is not what the API documents
 * - `invalid_credentials`, `locked`, `untrusted_ip`: the login is refused
 * - `token_lost`: the access token is refused; nothing was done
 * - `forbidden`, `not_found`, `conflict`, `invalid_request`: the call is refused
 * - `rate_limited`, `server_error`: later, perhaps
 * - `approval_required`: a write became a Change Request; nothing changed yet
 * - `moved`: somebody else wrote first
 * - `invalid_config`, `webhook_invalid`, `session_closed`, `sdk_unsupported`: found on this side
 */
export type InfisicalErrorCode =
  | 'unreachable'
  | 'timeout'
  | 'redirected'
  | 'access_blocked'
  | 'not_json'
  | 'unexpected_answer'
  | 'invalid_credentials'
  | 'locked'
  | 'untrusted_ip'
  | 'token_lost'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'invalid_request'
  | 'rate_limited'
  | 'server_error'
  | 'approval_required'
  | 'moved'
  | 'invalid_config'
  | 'webhook_invalid'
  | 'session_closed'
  | 'sdk_unsupported'

/**
 * What an {@link InfisicalError} may carry beside its code; other members become `details`, those
 * that are undefined are left out.
 */
export interface InfisicalErrorFacts {
  readonly cause?: unknown
  /** HTTP status, where an answer came. */
  readonly status?: number | undefined
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter?: number | undefined
  readonly [fact: string]: unknown
}

/**
 * The one error class of this package.
 *
 * `message` says what was expected, in lower case; what the server said may follow after a colon.
 * Neither it nor `details` ever holds a token, a secret or a URL with credentials. `cause` is the
 * error below, where there is one.
 */
export class InfisicalError extends Error {
  readonly code: InfisicalErrorCode
  readonly status: number | undefined
  readonly retryAfter: number | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: InfisicalErrorCode,
    message: string,
    { cause, status, retryAfter, ...details }: InfisicalErrorFacts = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'InfisicalError'
    this.code = code
    this.status = status
    this.retryAfter = retryAfter
    const known = Object.entries(details).filter(([, fact]) => fact !== undefined)
    this.details = Object.fromEntries(known)
  }
}

/** Whether `error` is an {@link InfisicalError} with one of `codes`; any code where none is given. */
export function isInfisicalError(
  error: unknown,
  ...codes: readonly InfisicalErrorCode[]
): error is InfisicalError {
  return error instanceof InfisicalError && (codes.length === 0 || codes.includes(error.code))
}
