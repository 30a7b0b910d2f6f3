import { type Context, Hono } from 'hono'
import type { AuthenticateClient } from '../clients/authenticate.ts'
import { readCredentials } from '../clients/credentials.ts'
import type { Granted } from '../grants/grant.ts'
import type { MintedToken } from '../grants/mint.ts'
import { findGrant } from '../grants/table.ts'
import { describeError, type Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type OAuthErrorCode, TokenRefusal, wireOf } from '../wire-errors.ts'
import { readForm } from './form.ts'
import { limitBody } from './limit-body.ts'

const MAX_BODY_BYTES = 16 * 1024

/** Why the wire says 503: a newer keyring may end it. */
const ENDED_BY_RELOAD: readonly string[] = ['no_current_key', 'key_ends_first']

export interface TokenRouteDeps {
  readonly authenticate: AuthenticateClient
  readonly mint: (granted: Granted) => Promise<MintedToken>
  readonly reloadUrgently: () => void
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'tokenIssued' | 'tokenRefused'>
}

/**
 * POST /oauth/token.
 *
 * Checks, in order: method, size, form body, grant type, client, and what the grant itself checks.
 * Every answer, refusals too, is `no-store`.
 *
 * @see RFC 6749 sections 3.2, 5.1 and 5.2
 */
export function tokenRoute(deps: TokenRouteDeps): Hono {
  const { authenticate, mint, log, metrics } = deps
  const route = new Hono()

  route.use(async function noStore(c, next) {
    c.header('cache-control', 'no-store')
    c.header('pragma', 'no-cache')
    await next()
  })
  route.use(
    limitBody(MAX_BODY_BYTES, () => {
      throw new TokenRefusal('body_too_large')
    }),
  )
  route.post('/', async function token(c) {
    const form = await readForm({
      header: (name) => c.req.header(name),
      text: () => c.req.text(),
    })
    const grantType = form.one('grant_type')
    const grant = findGrant(grantType)
    const client = await authenticate(readCredentials(c.req.header('authorization'), form))
    const granted = await grant({ client, form })
    const { answer, jti, kid } = await mint(granted)
    metrics.tokenIssued(String(grantType))
    log.debug({ client_id: client.clientId, jti, kid, scope: answer.scope }, 'token issued')
    return c.json(answer)
  })
  route.all('/', function otherMethod(c) {
    throw new TokenRefusal('method_not_allowed', { method: c.req.method })
  })
  route.onError((error, c) => {
    if (!(error instanceof TokenRefusal)) return failed(error, c)
    const { reason, details, cause } = error
    const level = wireOf(reason).status >= 500 ? 'error' : 'info'
    log[level](
      { reason, ...details, ...(cause !== undefined && { error: describeError(cause) }) },
      'token request refused',
    )
    if (ENDED_BY_RELOAD.includes(reason)) deps.reloadUrgently()
    return refuse(error, c)
  })

  function refuse({ reason }: TokenRefusal, c: Context): Response {
    const { status, error, description } = wireOf(reason)
    metrics.tokenRefused(error)
    if (reason === 'method_not_allowed') c.header('allow', 'POST')
    if (status === 503) c.header('retry-after', '1')
    if (status === 401 && c.req.header('authorization') !== undefined) {
      c.header('www-authenticate', 'Basic realm="token endpoint", charset="UTF-8"')
    }
    return c.json(oauthError(error, description), status)
  }

  function failed(error: Error, c: Context): Response {
    log.error({ error: describeError(error) }, 'token request failed')
    metrics.tokenRefused('server_error')
    return c.json(oauthError('server_error'), 500)
  }

  return route
}

function oauthError(error: OAuthErrorCode, description?: string): Record<string, string> {
  return description === undefined ? { error } : { error, error_description: description }
}
