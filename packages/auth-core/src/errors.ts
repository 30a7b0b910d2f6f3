/** What went wrong, as a stable word. Callers switch on it; the wire gets the RFC's words instead. */
export type AuthErrorCode =
  | 'token_too_large'
  | 'token_malformed'
  | 'header_invalid'
  | 'typ_mismatch'
  | 'key_unknown'
  | 'key_undecided'
  | 'key_revoked'
  | 'key_expired'
  | 'alg_mismatch'
  | 'signature_invalid'
  | 'claims_invalid'
  | 'iss_mismatch'
  | 'aud_mismatch'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'scope_insufficient'
  | 'keys_unavailable'
  | 'jwk_invalid'
  | 'jwks_invalid'
  | 'keyring_invalid'
  | 'policy_invalid'
  | 'step_refused'
  | 'gate_closed'
  | 'mint_refused'
  | 'ping_invalid'
  | 'ping_stale'
  | 'ping_replayed'

/**
 * The one error class of this package.
 *
 * `message` says what was expected, in lower case, and never holds a token, a secret or a key.
 * `details` holds facts for logs (kids, limits, reasons), under the same rule.
 */
export class AuthError extends Error {
  readonly code: AuthErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: AuthErrorCode,
    message: string,
    { cause, ...details }: { readonly cause?: unknown; readonly [fact: string]: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AuthError'
    this.code = code
    this.details = details
  }
}
