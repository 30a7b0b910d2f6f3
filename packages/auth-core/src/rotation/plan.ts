import { currentKey, type Keyring, keysWith, nextKey } from '../keyring/keyring.ts'
import type { Seconds } from '../time.ts'
import type { Policy } from './policy.ts'

/** What is due, and since when. */
export type Due =
  | { readonly verb: 'stage'; readonly dueAt: Seconds }
  | { readonly verb: 'flip'; readonly dueAt: Seconds }
  | { readonly verb: 'retire'; readonly kid: string; readonly dueAt: Seconds }

/**
 * The step that a schedule would take at `now`, or `undefined` where nothing is due: stage where no
 * next key is there, retire a previous key past its end, flip a current key that has reached the
 * rotation age once the next key has been published for the propagation window.
 */
export function plan(keyring: Keyring, policy: Policy, now: Seconds): Due | undefined {
  const next = nextKey(keyring)
  if (!next) return { verb: 'stage', dueAt: now }
  const ended = keysWith(keyring, 'previous').find(({ jwk }) => now >= (jwk.exp ?? now + 1))
  if (ended) return { verb: 'retire', kid: ended.kid, dueAt: ended.jwk.exp ?? now }
  const dueAt = flipDueAt(keyring, policy)
  return dueAt !== undefined && now >= dueAt ? { verb: 'flip', dueAt } : undefined
}

/** When the current key is due to turn: at the rotation age, never before the propagation window. */
export function flipDueAt(keyring: Keyring, policy: Policy): Seconds | undefined {
  const current = currentKey(keyring)
  const next = nextKey(keyring)
  if (!current || !next) return undefined
  return Math.max((current.jwk.nbf ?? 0) + policy.rotationAge, flipOpensAt(next.jwk.iat, policy))
}

/** When a key that was staged at `iat` may sign. */
export function flipOpensAt(iat: Seconds | undefined, policy: Policy): Seconds {
  return (iat ?? 0) + policy.propagationWindow
}

/** How late a rotation is, in seconds; 0 where it is not. An overdue key keeps signing. */
export function overdueBy(keyring: Keyring, policy: Policy, now: Seconds): Seconds {
  const current = currentKey(keyring)
  if (!current) return 0
  return Math.max(0, now - (current.jwk.nbf ?? now) - policy.rotationAge)
}
