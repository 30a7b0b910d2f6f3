import { createHash, randomBytes } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Store } from './store.ts'

interface ClientSecretRow {
  readonly id: string
  readonly ttl: number
  readonly uses: number
  readonly uses_limit: number
  readonly created_at: number
}

/** @returns a new client secret, 256 bits in hex */
export const newClientSecret = (): string => randomBytes(32).toString('hex')

/** The stored form of a client secret; it is random, so that a fast hash suffices. */
export const hashClientSecret = (clientSecret: string): string =>
  createHash('sha256').update(clientSecret).digest('hex')

/**
 * Finds the id of a client secret that is good for a login. One that has ended is revoked by the
 * first refusal, so that the second says only that the credentials are invalid, as recorded.
 *
 * @throws {ApiError} 401
 */
export function usableClientSecret(
  deps: { readonly store: Store; readonly clock: Clock },
  universalAuthId: string,
  clientSecret: string,
): string {
  const { store, clock } = deps
  const secret = store.get<ClientSecretRow>(
    'SELECT * FROM client_secrets WHERE universal_auth_id = ? AND hash = ? AND revoked = 0',
    universalAuthId,
    hashClientSecret(clientSecret),
  )
  if (!secret) throw refuse.invalidCredentials()
  const revoke = () => store.run('UPDATE client_secrets SET revoked = 1 WHERE id = ?', secret.id)
  if (secret.ttl > 0 && clock.nowMs() > secret.created_at + secret.ttl * 1000) {
    revoke()
    throw refuse.clientSecretExpired()
  }
  if (secret.uses_limit > 0 && secret.uses >= secret.uses_limit) {
    revoke()
    throw refuse.clientSecretUsesReached()
  }
  return secret.id
}
