import type { AuthErrorCode } from '@keyturn/auth-core'

/** The words of RFC 6749 section 5.2 and RFC 8707 section 2, and the two for faults of our own. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'temporarily_unavailable'
  | 'server_error'

/** Why a token request was refused, as the log tells it. */
export type RefusalReason =
  | 'body_not_form'
  | 'body_too_large'
  | 'parameter_repeated'
  | 'method_not_allowed'
  | 'grant_type_missing'
  | 'grant_type_unknown'
  | 'credentials_twice'
  | 'credentials_missing'
  | 'credentials_malformed'
  | 'credentials_unsupported'
  | 'client_unknown'
  | 'client_disabled'
  | 'secret_wrong'
  | 'scope_malformed'
  | 'scope_not_registered'
  | 'target_not_registered'
  | 'no_current_key'
  | 'key_ends_first'
  | 'storage_unavailable'

/** What the wire says. Descriptions are ASCII without quotes (RFC 6749 section 5.2). */
export interface WireError {
  readonly status: 400 | 401 | 413 | 500 | 503
  readonly error: OAuthErrorCode
  readonly description?: string
}

/** A refused client looks the same from outside, whatever was wrong. */
const INVALID_CLIENT: WireError = {
  status: 401,
  error: 'invalid_client',
  description: 'client authentication failed',
}

const UNAVAILABLE: WireError = { status: 503, error: 'temporarily_unavailable' }

function invalidRequest(description: string, status: 400 | 413 = 400): WireError {
  return { status, error: 'invalid_request', description }
}

const WIRE: Readonly<Record<RefusalReason, WireError>> = {
  body_not_form: invalidRequest('the body is application/x-www-form-urlencoded'),
  body_too_large: invalidRequest('the body has at most 16 KiB', 413),
  parameter_repeated: invalidRequest('every parameter is there once'),
  method_not_allowed: invalidRequest('the method is POST'),
  grant_type_missing: invalidRequest('grant_type is required'),
  grant_type_unknown: { status: 400, error: 'unsupported_grant_type' },
  credentials_twice: invalidRequest('a client authenticates by one method only'),
  credentials_missing: INVALID_CLIENT,
  credentials_malformed: INVALID_CLIENT,
  credentials_unsupported: INVALID_CLIENT,
  client_unknown: INVALID_CLIENT,
  client_disabled: INVALID_CLIENT,
  secret_wrong: INVALID_CLIENT,
  scope_malformed: {
    status: 400,
    error: 'invalid_scope',
    description: 'scope is a list of scope tokens, separated by single spaces',
  },
  scope_not_registered: {
    status: 400,
    error: 'invalid_scope',
    description: 'every scope is registered for the client',
  },
  target_not_registered: {
    status: 400,
    error: 'invalid_target',
    description: 'every audience and resource is registered for the client',
  },
  no_current_key: UNAVAILABLE,
  key_ends_first: UNAVAILABLE,
  storage_unavailable: UNAVAILABLE,
}

/** What the wire says of a refused token request. */
export function wireOf(reason: RefusalReason): WireError {
  return WIRE[reason]
}

/** A token request that is refused: `reason` is for the log, the wire gets `wireOf(reason)`. */
export class TokenRefusal extends Error {
  readonly reason: RefusalReason
  /** Facts for the log: a known client's id, the method. Never anything a stranger sent. */
  readonly details: Readonly<Record<string, string>>

  constructor(
    reason: RefusalReason,
    { cause, ...details }: { readonly cause?: unknown } & Readonly<Record<string, unknown>> = {},
  ) {
    super(`token request refused: ${reason}`, cause === undefined ? undefined : { cause })
    this.name = 'TokenRefusal'
    this.reason = reason
    this.details = Object.fromEntries(
      Object.entries(details).map(([name, value]) => [name, String(value)]),
    )
  }
}

interface HookError {
  readonly status: 401 | 409 | 500 | 503
  readonly error: 'invalid_ping' | 'replayed_ping' | 'keys_unavailable' | 'server_error'
}

const INVALID_PING: HookError = { status: 401, error: 'invalid_ping' }
const KEYS_UNAVAILABLE: HookError = { status: 503, error: 'keys_unavailable' }
const SERVER_ERROR: HookError = { status: 500, error: 'server_error' }

const HOOK_WIRE: Readonly<Record<AuthErrorCode, HookError>> = {
  ping_invalid: INVALID_PING,
  ping_stale: INVALID_PING,
  ping_replayed: { status: 409, error: 'replayed_ping' },
  keys_unavailable: KEYS_UNAVAILABLE,
  keyring_invalid: KEYS_UNAVAILABLE,
  mint_refused: KEYS_UNAVAILABLE,
  token_too_large: SERVER_ERROR,
  token_malformed: SERVER_ERROR,
  header_invalid: SERVER_ERROR,
  typ_mismatch: SERVER_ERROR,
  key_unknown: SERVER_ERROR,
  key_undecided: SERVER_ERROR,
  key_revoked: SERVER_ERROR,
  key_expired: SERVER_ERROR,
  alg_mismatch: SERVER_ERROR,
  signature_invalid: SERVER_ERROR,
  claims_invalid: SERVER_ERROR,
  iss_mismatch: SERVER_ERROR,
  aud_mismatch: SERVER_ERROR,
  token_expired: SERVER_ERROR,
  token_not_yet_valid: SERVER_ERROR,
  scope_insufficient: SERVER_ERROR,
  jwk_invalid: SERVER_ERROR,
  jwks_invalid: SERVER_ERROR,
  policy_invalid: SERVER_ERROR,
  step_refused: SERVER_ERROR,
  gate_closed: SERVER_ERROR,
}

/** What the wire says of an `AuthError` outside of the token endpoint. */
export function hookErrorOf(code: AuthErrorCode): HookError {
  return HOOK_WIRE[code]
}
