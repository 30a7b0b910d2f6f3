import { type Clock, isJsonObject, systemClock } from '@keyturn/auth-core'
import { type Answer, readAnswer } from './answers.ts'
import { checkHeaders } from './custom-headers.ts'
import { InfisicalError } from './errors.ts'
import { isGrantCall } from './grant.ts'
import { retryDelayMs } from './retry.ts'
import { parseSiteUrl } from './site-url.ts'

/** One call of Infisical's API. */
export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Begins with `/api/`. */
  readonly path: string
  /** Members that are undefined or null are left out. */
  readonly query?: Readonly<Record<string, unknown>>
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown
  /** Access token; left out of logins, renewals and revocations, which a stale one would break. */
  readonly token?: string | undefined
}

/** The only way to an Infisical server. */
export interface Transport {
  /** Without a trailing slash or `/api`. */
  readonly siteUrl: string
  /**
   * Sends the request and gives back the JSON of its answer, undefined for an empty one.
   *
   * @throws {InfisicalError} for everything else, with status and cause where there is one.
   *   `details.outcomeUnknown` is true where a write may or may not have happened
   */
  request(request: TransportRequest): Promise<unknown>
}

/** What a {@link Transport} is made of. */
export interface TransportOptions {
  /** `https://eu.infisical.com`, or one's own server; a trailing `/api` is taken off. */
  readonly siteUrl: string
  /** Sent with every call, such as those of a Cloudflare Access service token. */
  readonly headers?: Readonly<Record<string, string>>
  readonly fetch?: typeof globalThis.fetch
  /** Over one whole call: all attempts, their waits and the last byte. Default 10,000. */
  readonly deadlineMs?: number
  readonly clock?: Clock
  /** Between 0 and 1, for the jitter between attempts. */
  readonly random?: () => number
}

/** More than any folder of secrets holds: one value can have 1 MiB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
const BEARERLESS = /\/api\/v\d+\/auth\/(?:[^/]+\/login|token\/(?:renew|revoke))$/
/** Anything shorter would tear holes into ordinary words of the server's messages. */
const SHORTEST_WITHHELD = 4
const SECRET_MEMBERS: ReadonlySet<string> = new Set([
  'accessToken',
  'clientSecret',
  'jwt',
  'secretValue',
  'webhookSecretKey',
])

/**
 * Makes the one fetch of this package. It never follows a redirect, requires JSON, reads at most
 * 8 MiB, and ends every call at its deadline.
 *
 * Attempts, at most four, with Retry-After honoured: any call that was refused with 429 or could
 * not connect; reads and logins also after 502, 503, 504 or a lost connection. When the next
 * attempt would be past the deadline, the error comes at once and says `retryAfter`.
 *
 * @throws {InfisicalError} `invalid_config` for a bad site URL or header
 */
export function createTransport(options: TransportOptions): Transport {
  const { fetch = globalThis.fetch, deadlineMs = 10_000 } = options
  const { clock = systemClock, random = Math.random } = options
  const siteUrl = parseSiteUrl(options.siteUrl)
  const headers = checkHeaders(options.headers ?? {})

  async function attempts(call: PreparedCall, signal: AbortSignal, endMs: number) {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await exchange(fetch, call, signal)
        return readAnswer(answer, call, clock.nowMs())
      } catch (error) {
        const remainingMs = endMs - clock.nowMs()
        const { repeatable } = call
        const waitMs = retryDelayMs(error, { attempt, repeatable, remainingMs, random: random() })
        if (waitMs === undefined) throw error
        await clock.sleep(waitMs, signal)
      }
    }
  }

  return {
    siteUrl,
    async request(request) {
      const call = prepare(siteUrl, headers, request)
      const expired = new AbortController()
      const done = new AbortController()
      const deadline = clock.sleep(deadlineMs, done.signal).then(() => {
        if (done.signal.aborted) return
        expired.abort()
        throw timedOut(call, deadlineMs)
      })
      try {
        const endMs = clock.nowMs() + deadlineMs
        // The race, and not the signal alone: a fetch that ignores its signal must end too.
        return await Promise.race([attempts(call, expired.signal, endMs), deadline])
      } finally {
        done.abort()
      }
    },
  }
}

interface PreparedCall {
  readonly method: string
  readonly path: string
  readonly url: string
  readonly init: RequestInit
  readonly secrets: readonly string[]
  /** Whether a second sending does no harm when the first one may have arrived. */
  readonly repeatable: boolean
}

function prepare(
  siteUrl: string,
  custom: Readonly<Record<string, string>>,
  { method, path, query = {}, body, token }: TransportRequest,
): PreparedCall {
  const url = new URL(siteUrl + path)
  if (!path.startsWith('/api/') || !url.href.startsWith(`${siteUrl}/api/`)) {
    throw new TypeError('expected a path below /api/')
  }
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.append(name, String(value))
  }
  const headers: Record<string, string> = {
    ...custom,
    accept: 'application/json',
    'user-agent': 'keyturn',
  }
  if (token !== undefined && !BEARERLESS.test(url.pathname)) headers.authorization = bearer(token)
  const init: RequestInit = { method, headers, redirect: 'manual' }
  if (body !== undefined) {
    headers['content-type'] = 'application/json'
    init.body = JSON.stringify(body)
  }
  const secrets = [...Object.values(custom), token ?? '', ...secretsOf(body)].filter(
    (secret) => secret.length >= SHORTEST_WITHHELD,
  )
  const repeatable = method === 'GET' || isGrantCall(url.pathname)
  return { method, path: url.pathname, url: url.href, init, secrets, repeatable }
}

function bearer(token: string): string {
  // Header values must be visible ASCII; fetch would put the offending value into its error.
  if (!/^[!-~]+$/.test(token)) {
    throw new InfisicalError('token_lost', 'expected an access token of visible ASCII characters')
  }
  return `Bearer ${token}`
}

function secretsOf(body: unknown): readonly string[] {
  if (Array.isArray(body)) return body.flatMap(secretsOf)
  if (!isJsonObject(body)) return []
  return Object.entries(body).flatMap(([name, value]) =>
    typeof value === 'string' && SECRET_MEMBERS.has(name) ? [value] : secretsOf(value),
  )
}

async function exchange(
  fetch: typeof globalThis.fetch,
  call: PreparedCall,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const response = await fetch(call.url, { ...call.init, signal })
    const { status, headers } = response
    return { status, headers, text: await readLimited(response, call) }
  } catch (error) {
    throw error instanceof InfisicalError ? error : unreachable(error, call)
  }
}

async function readLimited(response: Response, call: PreparedCall): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) {
      const message = `expected an answer of at most ${MAX_ANSWER_BYTES} bytes`
      const { method, path } = call
      throw new InfisicalError('unexpected_answer', message, {
        status: response.status,
        method,
        path,
        limitBytes: MAX_ANSWER_BYTES,
      })
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** Codes that Node gives before any byte of the request has left. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function unreachable(error: unknown, { method, path, repeatable }: PreparedCall): InfisicalError {
  const below = error instanceof Error && error.cause ? error.cause : error
  const systemCode = isJsonObject(below) && typeof below.code === 'string' ? below.code : undefined
  const notSent = systemCode !== undefined && NOT_SENT.has(systemCode)
  const message = `expected a connection to Infisical, got ${systemCode ?? 'none'}`
  return new InfisicalError('unreachable', message, {
    cause: error,
    method,
    path,
    systemCode,
    notSent,
    outcomeUnknown: !notSent && !repeatable,
  })
}

function timedOut({ method, path, repeatable }: PreparedCall, deadlineMs: number): InfisicalError {
  const message = `expected an answer from Infisical within ${deadlineMs} ms`
  const outcomeUnknown = !repeatable
  return new InfisicalError('timeout', message, { method, path, deadlineMs, outcomeUnknown })
}
