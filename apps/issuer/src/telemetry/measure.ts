import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { Metrics } from './metrics.ts'

/** Measures every request under the pattern of its route, never under its path. */
export function measure(metrics: Metrics): MiddlewareHandler {
  return async function measure(c, next) {
    const startedAtMs = performance.now()
    await next()
    const pattern = routePath(c, -1)
    metrics.request({
      method: c.req.method,
      route: pattern.endsWith('*') ? 'unmatched' : pattern,
      status: c.res.status,
      ms: performance.now() - startedAtMs,
    })
  }
}
