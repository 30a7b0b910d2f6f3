import {
  type Acknowledgement,
  AuthError,
  type Clock,
  nowSeconds,
  type Ping,
  parseAcknowledgement,
} from '@keyturn/auth-core'
import type { PingSigner } from '@keyturn/auth-core/signing'
import { CliError } from './cli-error.ts'
import { type Fetch, requestJson } from './http.ts'

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

/** Signs a ping, sends it, and reads the answer. That nobody answers is a `problem`, never an error. */
export async function deliver(
  ping: Ping,
  recipient: Recipient,
  { signer, fetch, clock }: PropagationOptions,
): Promise<Delivery> {
  if (!signer) return { recipient, ms: 0, problem: 'not asked: there is no ping key' }
  const { headers, body } = await signer.sign(ping, nowSeconds(clock))
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
