import { Hono } from 'hono'
import { CLIENT_AUTH_METHODS } from '../clients/credentials.ts'
import { endpoint } from '../config.ts'
import { GRANT_TYPES } from '../grants/table.ts'

/** Metadata changes with a restart only; an hour would outlive a mistake in it. */
const MAX_AGE = 300

/**
 * Describes the issuer: exactly what is there. There is no authorization endpoint, so the required
 * list of response types is empty.
 *
 * @see RFC 8414 section 2
 */
export function describeIssuer({
  issuer,
  jwksUri,
}: {
  readonly issuer: string
  readonly jwksUri: string
}): Record<string, unknown> {
  return {
    issuer,
    token_endpoint: endpoint(issuer, '/oauth/token'),
    jwks_uri: jwksUri,
    grant_types_supported: GRANT_TYPES,
    response_types_supported: [],
    token_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
  }
}

/** GET /.well-known/oauth-authorization-server and /.well-known/openid-configuration. */
export function metadataRoute(issuer: { readonly issuer: string; readonly jwksUri: string }): Hono {
  const document = describeIssuer(issuer)
  const route = new Hono()
  for (const path of ['/oauth-authorization-server', '/openid-configuration']) {
    route.get(path, function metadata(c) {
      return c.json(document, 200, { 'cache-control': `public, max-age=${MAX_AGE}` })
    })
  }
  return route
}
