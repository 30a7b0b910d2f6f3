import type { Seconds } from '@keyturn/auth-core'
import { Hono } from 'hono'
import { etag } from 'hono/etag'
import type { KeyHolder } from '../keys/holder.ts'

/**
 * GET /.well-known/jwks.json: the published keys, with `revision` and `revoked` beside them.
 *
 * @see RFC 7517 section 8.5.2 (media type)
 */
export function jwksRoute(deps: { readonly keys: KeyHolder; readonly maxAge: Seconds }): Hono {
  const route = new Hono()
  route.get('/', etag(), function jwks(c) {
    const held = deps.keys.held()
    if (!held) {
      c.header('cache-control', 'no-store')
      c.header('retry-after', '1')
      return c.json({ error: 'keys_unavailable' }, 503)
    }
    return c.body(held.body, 200, {
      'content-type': 'application/jwk-set+json',
      'cache-control': `public, max-age=${deps.maxAge}`,
      etag: held.etag,
    })
  })
  return route
}
