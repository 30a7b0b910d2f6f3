import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Metrics } from './metrics.ts'

/** Measures every request under the pattern of its route, never under its path. */
export function measure(metrics: Metrics): MiddlewareHandler {
  return async function measure(c, next) {
    const startedAtMs = performance.now()
    await next()
    const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))
    metrics.request({
      method: c.req.method,
      route: route?.path ?? 'unmatched',
      status: c.res.status,
      ms: performance.now() - startedAtMs,
    })
  }
}
