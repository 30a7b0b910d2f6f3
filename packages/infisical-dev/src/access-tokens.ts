import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Store } from './store.ts'

/** An access token of an identity, as long as it lives. */
export interface TokenRow {
  readonly id: string
  readonly identity_id: string
  readonly ttl: number
  readonly max_ttl: number
  readonly uses: number
  readonly uses_limit: number
  readonly created_at: number
  readonly renewed_at: number
}

/**
 * Finds a token that has neither ended nor been used up. One that has is destroyed by the first
 * refusal, so that the second says only that there is none, as recorded; hence no transaction
 * around this. The max TTL is in the token itself.
 *
 * @throws {ApiError} 401
 */
export function usableToken(
  deps: { readonly store: Store; readonly clock: Clock },
  tokenId: string,
): TokenRow {
  const { store, clock } = deps
  const token = store.get<TokenRow>('SELECT * FROM access_tokens WHERE id = ?', tokenId)
  if (!token) throw refuse.tokenUnknown()
  if (token.uses_limit > 0 && token.uses >= token.uses_limit) {
    destroyToken(store, tokenId)
    throw refuse.tokenUsesReached()
  }
  if (token.ttl > 0 && clock.nowMs() > token.renewed_at + token.ttl * 1000) {
    destroyToken(store, tokenId)
    throw refuse.tokenPastTtl()
  }
  return token
}

/** @returns whether there was one */
export const destroyToken = (store: Store, tokenId: string): boolean =>
  store.run('DELETE FROM access_tokens WHERE id = ?', tokenId) > 0
