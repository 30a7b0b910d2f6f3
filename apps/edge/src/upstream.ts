import { type AccessTokenClaims, AuthError } from '@keyturn/auth-core'
import { proxy } from 'hono/proxy'
import { json } from './wire-errors.ts'

/** Headers in which the upstream reads who is asking. No client can set them. */
const IDENTITY_PREFIX = 'x-keyturn-'

/** Hop-by-hop headers (RFC 9110 section 7.6.1), and the token, which ends here. */
const NOT_FORWARDED: readonly string[] = [
  'authorization',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

const PRINTABLE = /^[\x20-\x7e]*$/

/**
 * The headers of a verified request as they go upstream: without hop-by-hop headers, those that
 * `Connection` names, the token, and any identity header of the client's own, in each spelling that
 * a server may take for one (`_` and `-` are the same to many). Then the verified identity.
 *
 * @throws {AuthError} `claims_invalid` where the identity cannot be a header's value
 */
export function upstreamHeaders(client: Headers, claims: AccessTokenClaims): Headers {
  const named = (client.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const dropped = new Set([...NOT_FORWARDED, ...named])
  const headers = new Headers()
  for (const [name, value] of client) {
    if (dropped.has(name) || name.replaceAll('_', '-').startsWith(IDENTITY_PREFIX)) continue
    headers.append(name, value)
  }
  const { sub, client_id, scope = '' } = claims
  for (const [name, value] of Object.entries({ subject: sub, 'client-id': client_id, scope })) {
    if (!PRINTABLE.test(value)) {
      throw new AuthError('claims_invalid', 'an identity that goes upstream is printable ASCII')
    }
    headers.set(`${IDENTITY_PREFIX}${name}`, value)
  }
  return headers
}

/** Where a request goes upstream: below the upstream's own path, with its path and query. */
export function upstreamUrl(upstream: URL, request: URL): URL {
  const url = new URL(upstream)
  url.pathname = `${upstream.pathname.replace(/\/$/, '')}${request.pathname}`
  url.search = request.search
  return url
}

/** Sends a verified request upstream. A redirect is the client's to follow, never ours. */
export async function forward(
  request: Request,
  upstream: URL,
  claims: AccessTokenClaims,
): Promise<Response> {
  const headers = upstreamHeaders(request.headers, claims)
  const target = upstreamUrl(upstream, new URL(request.url))
  try {
    const response = await proxy(target, { raw: request, headers, redirect: 'manual' })
    if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store')
    return response
  } catch {
    return json({ error: 'bad_gateway' }, 502)
  }
}
