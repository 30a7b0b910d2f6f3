import { Hono, type MiddlewareHandler } from 'hono'

import type { AppEnv, Guard } from '../http.ts'
import type { Services } from '../services.ts'
import { secretBatches } from './secret-batches.ts'
import { secretReads } from './secret-reads.ts'
import { secretWrites } from './secret-writes.ts'

// The router of the recorded server takes a longer name for another route.
const maxNameLength = 100
const refuseLongName: MiddlewareHandler<AppEnv> = async (c, next) => {
  const name = c.req.param('name') ?? ''
  return name.length > maxNameLength ? c.notFound() : next()
}

/** Secrets in the clear (`raw`), one by one and in batches. */
export function secretRoutes(services: Services, guard: Guard): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .use('/raw/:name', refuseLongName)
    .route('/', secretReads(services, guard))
    .route('/', secretBatches(services, guard))
    .route('/', secretWrites(services, guard))
}
