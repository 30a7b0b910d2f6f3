import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import { type AppEnv, actorOf, type Guard, query } from '../http.ts'
import { createPlaces } from '../places.ts'
import type { Services } from '../services.ts'
import { folderPath, queryFlag } from '../validation.ts'
import { shownSecret } from './secret-shapes.ts'

const readQuery = z.object({
  workspaceId: z.string().trim().optional(),
  workspaceSlug: z.string().trim().optional(),
  environment: z.string().trim().optional(),
  secretPath: folderPath,
  expandSecretReferences: queryFlag,
})
const listQuery = readQuery.extend({ recursive: queryFlag, include_imports: queryFlag })
// `version` is checked and then ignored, as recorded: the latest one comes back.
const oneQuery = readQuery.extend({ version: z.coerce.number().optional() })

/** Secrets of a folder, or of all folders below it; and one by name. */
export function secretReads(services: Services, guard: Guard): Hono<AppEnv> {
  const { secrets } = services
  const places = createPlaces(services)

  return new Hono<AppEnv>()
    .get('/raw', guard('signed-in', 'secrets'), (c) => {
      const actor = actorOf(c)
      const wanted = query(c, listQuery)
      const at = places.locateForRead(wanted)
      if (!wanted.recursive) places.demandRead(actor, at)
      const here = at.folder ? [{ id: at.folder.id, path: at.path }] : []
      const listed = wanted.recursive ? places.readableBelow(actor, at) : here
      const shown = listed.flatMap(({ id, path }) =>
        secrets.list(id).map((secret) => {
          const value = wanted.expandSecretReferences
            ? places.expand(actor, { ...at, path }, secret.value)
            : secret.value
          return { ...shownSecret({ ...secret, value }, at), secretPath: path, tags: [] }
        }),
      )
      const hasImports = wanted.include_imports || !at.folder
      return c.json({
        secrets: shown.sort((one, other) => (one.id < other.id ? -1 : 1)),
        ...(hasImports && { imports: [] }),
      })
    })
    .get('/raw/:name', guard('signed-in', 'secrets'), (c) => {
      const actor = actorOf(c)
      const wanted = query(c, oneQuery)
      const at = places.locateForRead(wanted)
      places.demandRead(actor, at)
      if (!at.folder) throw refuse.folderUnknown(at.path, at.slug, 'GetSecretByName')
      const name = c.req.param('name')
      const secret = secrets.find(at.folder.id, name)
      if (!secret) throw refuse.secretUnknown(name)
      const value = wanted.expandSecretReferences
        ? places.expand(actor, at, secret.value)
        : secret.value
      return c.json({ secret: { ...shownSecret({ ...secret, value }, at), tags: [] } })
    })
}
