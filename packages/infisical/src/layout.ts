/**
 * Where what is kept in Infisical. One folder per right, because Infisical grants by path.
 *
 * ```
 * /auth/jwt      current_private_key next_private_key previous_private_key public_jwks
 * /auth/revoked  <kid>: { "at": …, "reason": "…" }, create-only
 * /auth/public   public_jwks, a copy for identities that may see nothing else
 * /auth/aes      enc_keys { "<kid>": "<base64, 256 bit>" }, active_kid
 * /auth/edge     edges [{ "name", "url" }], ping_private_key, webhook_secret
 * /auth/oauth    <provider>/client_id, <provider>/client_secret
 * ```
 */
export const FOLDERS = {
  jwt: '/auth/jwt',
  revoked: '/auth/revoked',
  public: '/auth/public',
  aes: '/auth/aes',
  edge: '/auth/edge',
  oauth: '/auth/oauth',
} as const

/** An edge that has to acknowledge a key set before a flip. */
export interface RegisteredEdge {
  readonly name: string
  /** Base URL; pings go to `/internal/rotation` under it. */
  readonly url: string
}
