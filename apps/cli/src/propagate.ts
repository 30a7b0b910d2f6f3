import {
  type Acknowledgement,
  AuthError,
  type Clock,
  jwksDigest,
  nowSeconds,
  parseAcknowledgement,
} from '@keyturn/auth-core'
import {
  type Answer,
  type Keyring,
  type PingSigner,
  publishJwks,
  unacknowledged,
} from '@keyturn/auth-core/signing'
import type { RegisteredEdge } from '@keyturn/infisical'
import { CliError } from './cli-error.ts'
import { type Fetch, requestJson } from './http.ts'
import { urlBelow } from './settings.ts'

/** Somebody who holds the keys and answers pings. */
export interface Recipient {
  readonly role: 'issuer' | 'edge'
  /** What people call it: `issuer`, or `edge eu`. */
  readonly name: string
  /** Where its pings go. */
  readonly url: string
}

/** What came of one ping. */
export interface Delivery {
  readonly recipient: Recipient
  readonly ms: number
  /** What it holds now. Absent: `problem` says why it did not answer. */
  readonly acknowledgement?: Acknowledgement
  readonly problem?: string
}

/** What pings are sent with. */
export interface PropagationOptions {
  /** Absent where Infisical holds no ping key: then nobody can be asked. */
  readonly signer: PingSigner | undefined
  readonly issuer: string
  readonly fetch: Fetch
  readonly clock: Clock
}

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
  const deliveries: Delivery[] = []
  for (const role of ['issuer', 'edge'] as const) {
    const those = recipients.filter((recipient) => recipient.role === role)
    deliveries.push(...(await Promise.all(those.map((each) => deliver(keyring, each, options)))))
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

async function deliver(
  keyring: Keyring,
  recipient: Recipient,
  { signer, issuer, fetch, clock }: PropagationOptions,
): Promise<Delivery> {
  if (!signer) return { recipient, ms: 0, problem: 'not asked: there is no ping key' }
  const jwks = publishJwks(keyring)
  const data = { issuer, revision: keyring.revision, jwks_sha256: await jwksDigest(jwks) }
  const { headers, body } = await signer.sign({ type: 'keys.changed', data }, nowSeconds(clock))
  const startedAtMs = clock.nowMs()
  const msSince = () => Math.max(0, Math.round(clock.nowMs() - startedAtMs))
  try {
    const answer = await requestJson(fetch, recipient.url, {
      who: 'it',
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    return { recipient, ms: msSince(), ...readAnswer(answer) }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return { recipient, ms: msSince(), problem: error.message }
  }
}

const REFUSALS: ReadonlyMap<unknown, string> = new Map([
  [
    'invalid_ping',
    'does not accept the ping; check its PING_PUBLIC_KEYS, its ISSUER and the clocks',
  ],
  ['replayed_ping', 'has seen this ping before'],
  ['keys_unavailable', 'has no keys yet and cannot load them'],
])

function readAnswer({
  status,
  body,
}: Awaited<ReturnType<typeof requestJson>>): Pick<Delivery, 'acknowledgement' | 'problem'> {
  if (status !== 200) {
    const known = REFUSALS.get(body?.error)
    return { problem: known ? `${known} (${status})` : `answers ${status} to a ping` }
  }
  try {
    return { acknowledgement: parseAcknowledgement(body) }
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    return { problem: `answers 200 without an acknowledgement: ${error.message}` }
  }
}
