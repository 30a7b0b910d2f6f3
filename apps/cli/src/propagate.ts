import { jwksDigest } from '@keyturn/auth-core'
import { type Answer, type Keyring, publishJwks, unacknowledged } from '@keyturn/auth-core/signing'
import type { RegisteredEdge } from '@keyturn/infisical'
import { type Delivery, deliver, type PropagationOptions, type Recipient } from './deliver.ts'
import { urlBelow } from './settings.ts'

/** The issuer and the registered edges, in the order in which they learn of a change. */
export function recipientsOf(
  issuer: string,
  edges: readonly RegisteredEdge[],
): readonly Recipient[] {
  return [
    { role: 'issuer', name: 'issuer', url: urlBelow(issuer, '/hooks/rotation') },
    ...edges.map(({ name, url }) => ({
      role: 'edge' as const,
      name: `edge ${name}`,
      url: urlBelow(url, '/internal/rotation'),
    })),
  ]
}

/**
 * Tells everybody which keys there are, and asks what they hold: the issuer first, since the edges
 * read from it, then every edge at once. Nobody's failure is an error: propagation does not depend
 * on pings.
 */
export async function propagate(
  keyring: Keyring,
  recipients: readonly Recipient[],
  options: PropagationOptions,
): Promise<readonly Delivery[]> {
  const data = {
    issuer: options.issuer,
    revision: keyring.revision,
    jwks_sha256: await jwksDigest(publishJwks(keyring)),
  }
  const ping = { type: 'keys.changed', data } as const
  const deliveries: Delivery[] = []
  for (const role of ['issuer', 'edge'] as const) {
    const those = recipients.filter((recipient) => recipient.role === role)
    deliveries.push(...(await Promise.all(those.map((each) => deliver(ping, each, options)))))
  }
  return deliveries
}

/** The answers of deliveries to one role, as the rules of rotation judge them. */
export function answersOf(
  deliveries: readonly Delivery[],
  role: Recipient['role'],
): readonly Answer[] {
  return deliveries
    .filter(({ recipient }) => recipient.role === role)
    .map(({ recipient, acknowledgement }) => ({
      name: recipient.name,
      ...(acknowledgement && { acknowledgement }),
    }))
}

/** Why the others did not answer, by name. */
export function problemsOf(deliveries: readonly Delivery[]): ReadonlyMap<string, string> {
  return new Map(
    deliveries.flatMap(({ recipient, problem }): [string, string][] =>
      problem === undefined ? [] : [[recipient.name, problem]],
    ),
  )
}

/** What became of a ping, and whether the recipient holds exactly these keys. */
export interface Verdict {
  readonly name: string
  readonly role: Recipient['role']
  readonly holds: boolean
  /** In words: `acknowledged in 12 ms`, or why not. */
  readonly detail: string
  readonly ms: number
  /** For how long it has held these keys, in seconds; absent where it does not. */
  readonly age?: number
}

/** Judges deliveries: who holds exactly the keys of this keyring. */
export async function judge(
  keyring: Keyring,
  deliveries: readonly Delivery[],
): Promise<readonly Verdict[]> {
  const answers = [...answersOf(deliveries, 'issuer'), ...answersOf(deliveries, 'edge')]
  const obstacles = await unacknowledged(keyring, answers)
  return deliveries.map(({ recipient: { name, role }, ms, acknowledgement, problem }) => {
    const other = obstacles.find((each) => each.reason === 'other_keys' && each.name === name)
    const detail = problem ?? (other ? 'holds other keys' : `acknowledged in ${ms} ms`)
    const holds = acknowledgement !== undefined && other === undefined
    return { name, role, holds, detail, ms, ...(holds && { age: acknowledgement.age }) }
  })
}
