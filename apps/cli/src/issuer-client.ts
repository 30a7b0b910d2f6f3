import { AuthError, createJwksFetcher, type JsonObject, type PublicJwks } from '@keyturn/auth-core'
import { CliError, usageError } from './cli-error.ts'
import type { Context } from './context.ts'
import { requestJson } from './http.ts'
import { urlBelow } from './settings.ts'

type Issuer = Pick<Context, 'fetch' | 'settings' | 'clock'>

/** The token endpoint, and what it answers with. */
export interface TokenRequest {
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/**
 * Reads the issuer's JWKS over HTTP, as any verifier does.
 *
 * @throws {CliError} unreachable, with the reason in its code
 */
export async function fetchIssuerJwks({ fetch, settings, clock }: Issuer): Promise<PublicJwks> {
  const issuer = settings.requireIssuer()
  const load = createJwksFetcher({
    url: urlBelow(issuer, '/.well-known/jwks.json'),
    fetch: (request) => fetch(request.url, request),
    clock,
    timeoutMs: 5_000,
  })
  try {
    return (await load()).jwks
  } catch (cause) {
    if (!(cause instanceof AuthError)) throw cause
    const message = `the JWKS of the issuer cannot be read: expected that ${cause.message}`
    throw new CliError('unreachable', cause.code, message, {
      next: [`curl -i ${urlBelow(issuer, '/.well-known/jwks.json')}`],
      cause,
    })
  }
}

/**
 * Finds the token endpoint in the issuer's metadata.
 *
 * @throws {CliError} unreachable, refused where the metadata is that of another issuer
 * @see RFC 8414 section 3
 */
export async function discoverTokenEndpoint({ fetch, settings }: Issuer): Promise<string> {
  const issuer = settings.requireIssuer()
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  const url = `${origin}/.well-known/oauth-authorization-server${path}`
  const { status, body } = await requestJson(fetch, url, { who: 'the issuer' })
  if (status !== 200 || !body) {
    throw new CliError('unreachable', 'no_metadata', `the issuer answers ${status} to discovery`, {
      why: [`expected metadata in JSON at ${url}`],
      next: ['check KEYTURN_ISSUER'],
    })
  }
  // Metadata of another issuer would send the client secret to a stranger (RFC 8414 section 3.3).
  if (body.issuer !== issuer) {
    throw new CliError('refused', 'iss_mismatch', 'the metadata is that of another issuer', {
      why: [`KEYTURN_ISSUER is ${issuer}`, `the metadata says ${JSON.stringify(body.issuer)}`],
      next: ['set KEYTURN_ISSUER to exactly what the issuer calls itself'],
    })
  }
  const endpoint = body.token_endpoint
  if (typeof endpoint !== 'string' || !/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new CliError('unreachable', 'no_metadata', 'the metadata names no token endpoint')
  }
  return endpoint
}

/**
 * Asks for an access token with client_credentials and client_secret_basic.
 *
 * @returns the answer of the token endpoint
 * @throws {CliError} refused, with the issuer's error as code; unreachable
 * @see RFC 6749 sections 2.3.1 and 4.4
 */
export async function requestToken(
  issuer: Issuer,
  { clientId, clientSecret, scope, audience }: TokenRequest,
): Promise<JsonObject & { readonly access_token: string }> {
  const endpoint = await discoverTokenEndpoint(issuer)
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (scope.length > 0) form.set('scope', scope.join(' '))
  for (const each of audience) form.append('audience', each)
  const { status, body } = await requestJson(issuer.fetch, endpoint, {
    who: 'the issuer',
    method: 'POST',
    headers: { authorization: basicCredentials(clientId, clientSecret) },
    body: form,
  })
  const token = body?.access_token
  if (status === 200 && typeof token === 'string') return { ...body, access_token: token }
  throw tokenError(status, body)
}

/** id and secret are form-encoded before they are joined (RFC 6749 section 2.3.1). */
function basicCredentials(id: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

const TOKEN_ADVICE: ReadonlyMap<unknown, string> = new Map([
  ['invalid_client', 'check the client id and the secret; keyturn clients list'],
  ['invalid_scope', 'ask only for registered scopes; keyturn clients list'],
  ['invalid_target', 'ask only for registered audiences; keyturn clients list'],
])

function tokenError(status: number, body: JsonObject | undefined): CliError {
  const error = typeof body?.error === 'string' ? body.error : undefined
  if (error === undefined || status >= 500) {
    const message = `the issuer answers ${status}${error ? ` ${error}` : ''} and gives no token`
    return new CliError('unreachable', error ?? 'unexpected_answer', message, {
      next: ['look at the health page of the issuer, and try again'],
    })
  }
  const advice = TOKEN_ADVICE.get(error)
  const description = body?.error_description
  return new CliError('refused', error, `the issuer gives no token: ${error}`, {
    why: typeof description === 'string' ? [description] : [],
    next: advice ? [advice] : [],
  })
}

/**
 * Sends a request to the private listener of the issuer.
 *
 * @throws {CliError} unreachable; usage where it wants a token; refused where it says no
 */
export async function requestAdmin(
  { fetch, settings }: Issuer,
  path: string,
  { method, data }: { readonly method: 'GET' | 'POST'; readonly data?: object },
): Promise<JsonObject> {
  const { adminUrl, adminToken } = settings
  const { status, body } = await requestJson(fetch, urlBelow(adminUrl, path), {
    who: 'the private listener of the issuer',
    method,
    headers: {
      ...(adminToken && { authorization: `Bearer ${adminToken}` }),
      ...(data && { 'content-type': 'application/json' }),
    },
    ...(data && { body: JSON.stringify(data) }),
  })
  if (status === 401 || status === 403) {
    throw new CliError('unreachable', 'access_denied', `the private listener answers ${status}`, {
      next: ['set KEYTURN_ADMIN_TOKEN to the KEYTURN_PRIVATE_TOKEN of the issuer'],
    })
  }
  if (status === 400 || status === 422) throw usageError(reasonOf(body, status))
  if (status < 200 || status >= 300 || !body) {
    const message = `the private listener of the issuer answers ${status}`
    throw new CliError('unreachable', 'unexpected_answer', message, {
      next: ['check KEYTURN_ADMIN_URL'],
    })
  }
  return body
}

function reasonOf(body: JsonObject | undefined, status: number): string {
  const said = body?.error_description ?? body?.message ?? body?.error
  return `the issuer refuses it: ${typeof said === 'string' ? said : status}`
}
