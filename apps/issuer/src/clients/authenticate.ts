import type { ClientStore } from '../storage/storage.ts'
import { TokenRefusal } from '../wire-errors.ts'
import type { Client } from './client.ts'
import type { Credentials } from './credentials.ts'
import { matchesSecret } from './secret.ts'

/** Proves a client by its credentials. */
export type AuthenticateClient = (credentials: Credentials) => Promise<Client>

/**
 * Makes the check of client secrets: one lookup and one digest for every request, whether the client
 * exists or not.
 *
 * The function throws {TokenRefusal} `client_unknown`, `secret_wrong`, `client_disabled`, or
 * `storage_unavailable`.
 */
export function createClientAuthenticator(clients: ClientStore): AuthenticateClient {
  return async ({ clientId, secret, method }) => {
    const found = await findClient(clients, clientId)
    const matches = matchesSecret(secret, found?.secrets ?? [])
    if (!found) throw new TokenRefusal('client_unknown', { method })
    if (!matches) throw new TokenRefusal('secret_wrong', { method, client_id: clientId })
    if (found.client.disabledAt !== undefined) {
      throw new TokenRefusal('client_disabled', { method, client_id: clientId })
    }
    return found.client
  }
}

async function findClient(clients: ClientStore, clientId: string) {
  try {
    return await clients.find(clientId)
  } catch (cause) {
    throw new TokenRefusal('storage_unavailable', { cause })
  }
}
