import type { Form } from '../routes/form.ts'
import { TokenRefusal } from '../wire-errors.ts'

/** What a client presented to authenticate itself. Nothing of it is trusted yet. */
export interface Credentials {
  readonly method: 'client_secret_basic' | 'client_secret_post'
  readonly clientId: string
  readonly secret: string
}

/** The authentication methods of the token endpoint, as discovery lists them. */
export const CLIENT_AUTH_METHODS: readonly Credentials['method'][] = [
  'client_secret_basic',
  'client_secret_post',
]

const ASSERTION = ['client_assertion', 'client_assertion_type'] as const
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Finds the credentials of a token request.
 *
 * Checks, in order: one method only (a `client_id` beside Basic is fine where it is the same one);
 * a method that exists here; that both id and secret are there.
 *
 * @throws {TokenRefusal} `credentials_twice`, `credentials_unsupported`, `credentials_malformed`,
 *   `credentials_missing`
 * @see RFC 6749 section 2.3
 */
export function readCredentials(authorization: string | undefined, form: Form): Credentials {
  const asserts = ASSERTION.some((name) => form.one(name) !== undefined)
  const secret = form.one('client_secret')
  const methods = [authorization, secret, asserts || undefined]
  if (methods.filter((method) => method !== undefined).length > 1) {
    throw new TokenRefusal('credentials_twice')
  }
  if (asserts) throw new TokenRefusal('credentials_unsupported')
  const clientId = form.one('client_id')
  if (authorization === undefined) {
    if (!clientId || !secret) throw new TokenRefusal('credentials_missing')
    return { method: 'client_secret_post', clientId, secret }
  }
  const basic = parseBasic(authorization)
  if (clientId !== undefined && clientId !== basic.clientId) {
    throw new TokenRefusal('credentials_twice')
  }
  return { method: 'client_secret_basic', ...basic }
}

/** `Basic base64(urlencode(id) ":" urlencode(secret))`, each half decoded once. */
function parseBasic(authorization: string): { clientId: string; secret: string } {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) {
    const known = /^basic( |$)/i.test(authorization)
    throw new TokenRefusal(known ? 'credentials_malformed' : 'credentials_unsupported')
  }
  try {
    const text = decoder.decode(Buffer.from(encoded, 'base64'))
    const colon = text.indexOf(':')
    const clientId = formDecode(text.slice(0, colon))
    const secret = formDecode(text.slice(colon + 1))
    if (colon > 0 && secret !== '') return { clientId, secret }
  } catch (cause) {
    throw new TokenRefusal('credentials_malformed', { cause })
  }
  throw new TokenRefusal('credentials_malformed')
}

/** @see RFC 6749 appendix B: application/x-www-form-urlencoded, in UTF-8 */
function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}
