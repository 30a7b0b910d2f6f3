import { jwksDigest } from '../jwks.ts'
import { type Keyring, nextKey, publishJwks } from '../keyring/keyring.ts'
import type { Acknowledgement } from '../propagation/acknowledgement.ts'
import type { Seconds } from '../time.ts'
import { flipOpensAt } from './plan.ts'
import type { Policy } from './policy.ts'

/** What a registered edge or issuer answered when it was asked; absent: it did not answer. */
export interface Answer {
  readonly name: string
  readonly acknowledgement?: Acknowledgement
}

/** One reason why a step has to wait. */
export type Obstacle =
  | { readonly reason: 'no_next_key' }
  | { readonly reason: 'propagation_window'; readonly opensAt: Seconds }
  | { readonly reason: 'no_answer'; readonly name: string }
  | { readonly reason: 'other_keys'; readonly name: string; readonly revision: number }
  | { readonly reason: 'settling'; readonly name: string; readonly wait: Seconds }

/** How long an edge must have held a set before all its isolates have it. */
export const SETTLING_AGE: Seconds = 5

/**
 * Whether a flip may happen: the propagation window has passed since the next key was staged, and
 * every registered edge acknowledged exactly this key set at least 5 s ago. With no edge registered
 * the window alone decides. An empty list means that the gate is open.
 */
export async function gate(
  keyring: Keyring,
  { policy, edges, now }: { policy: Policy; edges: readonly Answer[]; now: Seconds },
): Promise<readonly Obstacle[]> {
  const next = nextKey(keyring)
  if (!next) return [{ reason: 'no_next_key' }]
  const opensAt = flipOpensAt(next.jwk.iat, policy)
  const window: readonly Obstacle[] =
    now < opensAt ? [{ reason: 'propagation_window', opensAt }] : []
  return [...window, ...(await unacknowledged(keyring, edges))]
}

/** The edges that do not (yet) hold exactly the key set of this keyring. */
export async function unacknowledged(
  keyring: Keyring,
  edges: readonly Answer[],
): Promise<readonly Obstacle[]> {
  const digest = await jwksDigest(publishJwks(keyring))
  return edges.flatMap(({ name, acknowledgement }): readonly Obstacle[] => {
    if (!acknowledgement) return [{ reason: 'no_answer', name }]
    const { revision, jwks_sha256, age } = acknowledgement
    if (revision < keyring.revision || jwks_sha256 !== digest) {
      return [{ reason: 'other_keys', name, revision }]
    }
    return age < SETTLING_AGE ? [{ reason: 'settling', name, wait: SETTLING_AGE - age }] : []
  })
}

/**
 * Whether a previous key may be retired: every issuer process that is alive has loaded a revision in
 * which the key no longer signs. (That no token of it can be alive is checked by `apply`.)
 */
export function retireObstacles(keyring: Keyring, issuers: readonly Answer[]): readonly Obstacle[] {
  return issuers.flatMap(({ name, acknowledgement }): readonly Obstacle[] => {
    if (!acknowledgement) return [{ reason: 'no_answer', name }]
    const { revision } = acknowledgement
    return revision < keyring.revision ? [{ reason: 'other_keys', name, revision }] : []
  })
}
