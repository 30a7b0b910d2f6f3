import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

import { ApiError, errorBody, refuse } from './errors.ts'
import { type AppEnv, createGuard, entityTags, readBearer, urlOf } from './http.ts'
import type { RateLimiter } from './rate-limit.ts'
import { authRoutes } from './routes/auth.ts'
import { folderRoutes } from './routes/folders.ts'
import { identityRoutes } from './routes/identities.ts'
import { memberRoutes } from './routes/members.ts'
import { projectRoutes } from './routes/projects.ts'
import { secretRoutes } from './routes/secrets.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import type { Services } from './services.ts'

const maxBodyBytes = 1024 * 1024

/**
 * The HTTP side of the server: one chain of middleware, then the routes.
 *
 * @param deps.limiter absent means without rate limits
 * @param deps.reportFault told of every error that is the server's own
 */
export function createApp(deps: {
  readonly services: Services
  readonly limiter: RateLimiter | undefined
  readonly reportFault: (error: Error) => void
}): Hono<AppEnv> {
  const { services, limiter, reportFault } = deps
  const guard = createGuard(limiter)
  const app = new Hono<AppEnv>()

  app.use(entityTags)
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => {
        throw refuse.internal()
      },
    }),
  )
  app.use(readBearer(services.auth))

  app.route('/api/v1/auth', authRoutes(services, guard))
  app.route('/api', projectRoutes(services, guard))
  app.route('/api', identityRoutes(services, guard))
  app.route('/api', memberRoutes(services, guard))
  app.route('/api/v1/folders', folderRoutes(services, guard))
  app.route('/api/v3/secrets', secretRoutes(services, guard))
  app.route('/api/v1/webhooks', webhookRoutes(services, guard))

  app.notFound((c) => {
    const message = `Route ${c.req.method}:${urlOf(c)} not found`
    return c.json({ message, error: 'Not Found', statusCode: 404 }, 404)
  })
  app.onError((error, c) => {
    const answer = error instanceof ApiError ? error : refuse.internal()
    if (answer !== error) reportFault(error)
    // Every status of the error table has a body.
    return c.json(errorBody(answer), answer.status as ContentfulStatusCode)
  })
  return app
}
