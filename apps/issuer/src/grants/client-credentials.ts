import type { Client } from '../clients/client.ts'
import type { Form } from '../routes/form.ts'
import { TokenRefusal } from '../wire-errors.ts'
import type { Grant } from './grant.ts'

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/

/**
 * The grant of a client in its own name.
 *
 * Checks that every scope asked for is registered (default: all registered ones), and that every
 * `audience` and `resource` is (default: all registered ones). There is no refresh token.
 *
 * @see RFC 6749 section 4.4, RFC 8707 section 2
 */
export const clientCredentials: Grant = async ({ client, form }) => ({
  clientId: client.clientId,
  // Machines and users never share a subject, whatever a client is called.
  subject: `client:${client.clientId}`,
  scopes: grantedScopes(client, form),
  audiences: grantedAudiences(client, form),
})

function grantedScopes(client: Client, form: Form): readonly string[] {
  const asked = form.one('scope')
  if (asked === undefined) return client.scopes
  if (!SCOPE.test(asked)) throw refusal('scope_malformed', client)
  const scopes = [...new Set(asked.split(' '))]
  if (!scopes.every((scope) => client.scopes.includes(scope))) {
    throw refusal('scope_not_registered', client)
  }
  return scopes
}

function grantedAudiences(client: Client, form: Form): readonly string[] {
  const asked = [...new Set([...form.all('audience'), ...form.all('resource')])]
  if (asked.length === 0) return client.audiences
  if (!asked.every((audience) => client.audiences.includes(audience))) {
    throw refusal('target_not_registered', client)
  }
  return asked
}

function refusal(
  reason: 'scope_malformed' | 'scope_not_registered' | 'target_not_registered',
  { clientId }: Client,
): TokenRefusal {
  return new TokenRefusal(reason, { client_id: clientId })
}
