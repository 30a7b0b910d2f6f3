import { type JsonObject, parseJsonObject } from '@keyturn/auth-core'
import { CliError } from './cli-error.ts'

/** The global `fetch`, or a double of it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** An answer in JSON. */
export interface JsonAnswer {
  readonly status: number
  /** `undefined` where the body is not a JSON object. */
  readonly body: JsonObject | undefined
}

const DEADLINE_MS = 5_000
const MAX_BYTES = 1_048_576

/**
 * Sends one request and reads its answer: within 5 s, at most 1 MiB, and never following a redirect,
 * so that nothing that was sent reaches another host.
 *
 * @param who what is asked, for the message: `the issuer`
 * @throws {CliError} unreachable: `unreachable`, `timeout`, `redirected`, `too_large`
 */
export async function requestJson(
  fetch: Fetch,
  url: string,
  { who, deadlineMs = DEADLINE_MS, ...init }: RequestInit & { who: string; deadlineMs?: number },
): Promise<JsonAnswer> {
  const signal = AbortSignal.timeout(deadlineMs)
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    const { status } = response
    if (status >= 300 && status < 400) {
      await response.body?.cancel()
      throw unreachable('redirected', `${who} redirects to somewhere else (${status})`)
    }
    return { status, body: parseJsonObject(await readBounded(response, who)) }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    if (signal.aborted) {
      throw unreachable('timeout', `${who} does not answer within ${deadlineMs / 1000} s`, cause)
    }
    throw unreachable('unreachable', `${who} cannot be reached: ${reasonOf(cause)}`, cause)
  }
}

async function readBounded(response: Response, who: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MAX_BYTES) throw unreachable('too_large', `${who} answers more than 1 MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The system's word for a failed connection, such as `ECONNREFUSED`: `fetch` hides it in causes. */
function reasonOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return error instanceof Error ? error.message : 'no reason given'
}

function unreachable(code: string, message: string, cause?: unknown): CliError {
  return new CliError('unreachable', code, message, { cause })
}
