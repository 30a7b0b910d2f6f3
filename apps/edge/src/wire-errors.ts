import type { AuthError, AuthErrorCode } from '@keyturn/auth-core'

/** What the outside gets to know of a refusal. */
type Wire =
  | 'invalid_token'
  | 'insufficient_scope'
  | 'temporarily_unavailable'
  | 'invalid_ping'
  | 'replayed_ping'
  | 'server_error'

/**
 * Every reason of the inside and its word outside. Whatever is wrong with a token looks alike: who
 * presents one learns nothing about keys, signatures or claims.
 *
 * @see RFC 6750 section 3.1
 */
const WIRE: Readonly<Record<AuthErrorCode, Wire>> = {
  token_too_large: 'invalid_token',
  token_malformed: 'invalid_token',
  header_invalid: 'invalid_token',
  typ_mismatch: 'invalid_token',
  key_unknown: 'invalid_token',
  key_revoked: 'invalid_token',
  key_expired: 'invalid_token',
  alg_mismatch: 'invalid_token',
  signature_invalid: 'invalid_token',
  claims_invalid: 'invalid_token',
  iss_mismatch: 'invalid_token',
  aud_mismatch: 'invalid_token',
  token_expired: 'invalid_token',
  token_not_yet_valid: 'invalid_token',
  scope_insufficient: 'insufficient_scope',
  key_undecided: 'temporarily_unavailable',
  keys_unavailable: 'temporarily_unavailable',
  ping_invalid: 'invalid_ping',
  ping_stale: 'invalid_ping',
  ping_replayed: 'replayed_ping',
  jwk_invalid: 'server_error',
  jwks_invalid: 'server_error',
  keyring_invalid: 'server_error',
  policy_invalid: 'server_error',
  step_refused: 'server_error',
  gate_closed: 'server_error',
  mint_refused: 'server_error',
}

const STATUS: Readonly<Record<Wire, number>> = {
  invalid_token: 401,
  insufficient_scope: 403,
  temporarily_unavailable: 503,
  invalid_ping: 401,
  replayed_ping: 409,
  server_error: 500,
}

/** JSON that no cache keeps. */
export function json(
  body: unknown,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } })
}

/** The answer to a request without a token: a challenge that names no error (RFC 6750 section 3.1). */
export function missingToken(): Response {
  return json({ error: 'unauthorized' }, 401, { 'www-authenticate': 'Bearer' })
}

/** The answer to a refusal. `scope` is what the route demands. */
export function refusal(error: AuthError, scope: readonly string[] = []): Response {
  const word = WIRE[error.code]
  return json({ error: word }, STATUS[word], HEADERS[word]?.(error, scope))
}

type HeadersOf = (error: AuthError, scope: readonly string[]) => Readonly<Record<string, string>>

const HEADERS: Readonly<Partial<Record<Wire, HeadersOf>>> = {
  invalid_token: () => ({ 'www-authenticate': 'Bearer error="invalid_token"' }),
  insufficient_scope: (_, scope) => ({
    'www-authenticate': `Bearer error="insufficient_scope", scope="${scope.join(' ')}"`,
  }),
  temporarily_unavailable: ({ details }) => ({ 'retry-after': String(details.retryAfter ?? 1) }),
}
