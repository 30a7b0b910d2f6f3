import { AuthError } from '../errors.ts'
import { parseJsonObject } from '../json.ts'
import { parseJwks } from '../jwks.ts'
import type { Clock } from '../time.ts'
import type { LoadedKeys } from './accept.ts'

/** How a JWKS document is fetched. */
export interface FetchJwksOptions {
  readonly url: string
  readonly fetch: (request: Request) => Promise<Response>
  readonly clock: Clock
  /** Sent to this URL only, such as the service token of Cloudflare Access. */
  readonly headers?: Readonly<Record<string, string>>
  /** Over the whole call, the body included. Default 3000. */
  readonly timeoutMs?: number
  /** Default 262,144. */
  readonly maxBytes?: number
}

/** Why a JWKS could not be fetched: `details.reason` of `keys_unavailable`. */
export type FetchJwksReason =
  | 'unreachable'
  | 'timeout'
  | 'redirected'
  | 'access_login'
  | 'access_denied'
  | 'status'
  | 'not_json'
  | 'too_large'

const ACCESS_HOST = /(^|\.)cloudflareaccess\.com$/
const ACCESS_PATH = '/cdn-cgi/access/'
const JSON_TYPE = /^application\/(jwk-set\+json|json)\s*(;|$)/i

/**
 * Makes the loader of a key source that reads a JWKS URL.
 *
 * Redirects are never followed, so headers go to no other host. An answer of Cloudflare Access (a
 * redirect to a login, 401 or 403, HTML) is recognised and named; what is not a JWKS of bounded size
 * in JSON is refused.
 *
 * The loader throws {AuthError} `keys_unavailable` with a `FetchJwksReason` in `details.reason`, or
 * `jwks_invalid`.
 */
export function createJwksFetcher(options: FetchJwksOptions): () => Promise<LoadedKeys> {
  const { clock, timeoutMs = 3_000, maxBytes = 262_144 } = options

  async function fetchDocument(signal: AbortSignal): Promise<LoadedKeys> {
    const startedAtMs = clock.nowMs()
    const headers = { ...options.headers, accept: 'application/jwk-set+json, application/json' }
    const response = await options.fetch(
      new Request(options.url, { headers, redirect: 'manual', signal }),
    )
    refuseOther(response, options.url)
    const document = parseJsonObject(await readBounded(response, maxBytes))
    if (!document) throw unavailable('not_json', 'the answer is a JSON object')
    return { jwks: parseJwks(document), asOfMs: startedAtMs, fetchedAtMs: startedAtMs }
  }

  return async () => {
    const cut = new AbortController()
    const done = new AbortController()
    // A timer that is cleared: AbortSignal.timeout would keep a Durable Object in memory.
    const timeout = clock.sleep(timeoutMs, done.signal).then(() => {
      if (done.signal.aborted) return
      cut.abort()
      throw unavailable('timeout', `the JWKS origin answers within ${timeoutMs} ms`)
    })
    const fetched = fetchDocument(cut.signal)
    try {
      await Promise.race([fetched, timeout])
      return await fetched
    } catch (cause) {
      if (cause instanceof AuthError) throw cause
      throw unavailable('unreachable', 'the JWKS origin is reachable', { cause })
    } finally {
      done.abort()
      fetched.catch(() => undefined)
    }
  }
}

function refuseOther(response: Response, url: string): void {
  const { status } = response
  const type = response.headers.get('content-type') ?? ''
  const location = response.headers.get('location')
  if (status === 0 || (status >= 300 && status < 400)) {
    if (location && isAccess(location, url)) {
      throw unavailable('access_login', 'the service token of Cloudflare Access is accepted', {
        status,
      })
    }
    throw unavailable('redirected', 'the JWKS origin does not redirect', { status })
  }
  if (status === 401 || status === 403) {
    throw unavailable('access_denied', 'the JWKS origin lets us in (Access service token)', {
      status,
    })
  }
  if (status !== 200) throw unavailable('status', 'the JWKS origin answers 200', { status })
  if (/^text\/html/i.test(type)) {
    throw unavailable('access_login', 'the JWKS origin answers JSON, not a login page', { status })
  }
  if (!JSON_TYPE.test(type)) throw unavailable('not_json', 'the media type is a JSON one', { type })
}

function isAccess(location: string, base: string): boolean {
  if (!URL.canParse(location, base)) return false
  const target = new URL(location, base)
  return ACCESS_HOST.test(target.hostname) || target.pathname.startsWith(ACCESS_PATH)
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  for (;;) {
    const part = await reader?.read()
    if (!part || part.done) break
    const chunk = part.value as Uint8Array
    length += chunk.length
    if (length > maxBytes) {
      await reader?.cancel()
      throw unavailable('too_large', `a JWKS has at most ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function unavailable(
  reason: FetchJwksReason,
  message: string,
  details: Record<string, unknown> = {},
): AuthError {
  return new AuthError('keys_unavailable', message, { reason, ...details })
}
