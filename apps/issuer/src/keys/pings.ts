import { type Clock, nowSeconds, parseAcknowledgement } from '@keyturn/auth-core'
import { describeError, type Logger } from '../telemetry/log.ts'
import type { HeldKeys } from './held-keys.ts'
import type { Edge } from './keyring-reader.ts'

/** How an edge answered a ping. */
export type PingOutcome = 'acknowledged' | 'behind' | 'refused' | 'unreachable'

export interface PingerDeps {
  readonly issuer: string
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly log: Logger
  readonly onPing: (outcome: PingOutcome) => void
  /** Aborts what is under way when the process stops. */
  readonly signal: AbortSignal
  /** Over the whole call. An edge takes up to 3 s to reach a pinged revision. Default 5000. */
  readonly timeoutMs?: number
}

/** An acknowledgement is small; whatever answers with more is no edge. */
const MAX_ANSWER_BYTES = 16_384

/**
 * Makes the function that tells every registered edge of the keys that are held.
 *
 * A ping only hurries an edge: the function never rejects, and what went wrong is logged and counted.
 */
export function createPinger(deps: PingerDeps): (keys: HeldKeys) => Promise<void> {
  const { clock, log, timeoutMs = 5_000 } = deps

  async function pingEdge(edge: Edge, keys: HeldKeys): Promise<void> {
    const facts = { edge: edge.name, revision: keys.keyring.revision }
    try {
      const outcome = await send(edge, keys)
      deps.onPing(outcome)
      log[outcome === 'refused' ? 'warn' : 'info']({ ...facts, outcome }, 'edge pinged')
    } catch (error) {
      deps.onPing('unreachable')
      log.warn({ ...facts, outcome: 'unreachable', error: describeError(error) }, 'edge pinged')
    }
  }

  async function send(edge: Edge, keys: HeldKeys): Promise<PingOutcome> {
    const { signer } = keys.ping
    if (!signer) throw new Error('a ping key is in the store')
    const data = {
      issuer: deps.issuer,
      revision: keys.keyring.revision,
      jwks_sha256: keys.digest,
    }
    const { headers, body } = await signer.sign({ type: 'keys.changed', data }, nowSeconds(clock))
    const response = await deps.fetch(`${edge.url}/internal/rotation`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([deps.signal, AbortSignal.timeout(timeoutMs)]),
    })
    return await judge(response, keys)
  }

  return async (keys) => {
    await Promise.all(keys.ping.edges.map((edge) => pingEdge(edge, keys)))
  }
}

async function judge(response: Response, keys: HeldKeys): Promise<PingOutcome> {
  if (response.status !== 200) {
    await response.body?.cancel()
    return 'refused'
  }
  const answer: unknown = JSON.parse(await readBounded(response))
  const { revision, jwks_sha256 } = parseAcknowledgement(answer)
  const reached = revision >= keys.keyring.revision && jwks_sha256 === keys.digest
  return reached ? 'acknowledged' : 'behind'
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error(`an answer has at most ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
