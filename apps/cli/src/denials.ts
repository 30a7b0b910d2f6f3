import type { KeysRevoked } from '@keyturn/auth-core'
import { type Delivery, deliver, type PropagationOptions, type Recipient } from './deliver.ts'

/** What came of a ping that revokes keys. */
export interface Denial {
  readonly name: string
  readonly role: Recipient['role']
  /** Whether it said that it refuses every one of the keys, or does not know them. */
  readonly refuses: boolean
  /** In words: `refuses it, told in 12 ms`, or why not. */
  readonly detail: string
  readonly ms: number
}

/**
 * Tells everybody at once that keys are revoked, before any document says so. `onDenial` hears of
 * each answer when it comes. Nobody's failure is an error: what Infisical holds reaches all later.
 */
export async function denyEverywhere(
  revoked: Pick<KeysRevoked, 'kids' | 'revision'>,
  recipients: readonly Recipient[],
  { onDenial, ...options }: PropagationOptions & { onDenial(denial: Denial): void },
): Promise<readonly Denial[]> {
  const { kids, revision } = revoked
  const ping = { type: 'keys.revoked', data: { issuer: options.issuer, revision, kids } } as const
  return await Promise.all(
    recipients.map(async (recipient) => {
      const denial = judgeDenial(kids, await deliver(ping, recipient, options))
      onDenial(denial)
      return denial
    }),
  )
}

/** A receiver takes only kids that it knows: what it does not know, it does not accept either. */
function judgeDenial(
  kids: readonly string[],
  { recipient: { name, role }, ms, acknowledgement, problem }: Delivery,
): Denial {
  const accepted = kids.filter(
    (kid) => acknowledgement?.kids.includes(kid) && !acknowledgement.revoked.includes(kid),
  )
  const refuses = acknowledgement !== undefined && accepted.length === 0
  const what = kids.length === 1 ? 'it' : 'them'
  const answered = refuses ? `refuses ${what}, told in ${ms} ms` : `accepts ${accepted.join(', ')}`
  return { name, role, refuses, detail: problem ?? answered, ms }
}
