import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import { type AppEnv, actorOf, body, type Guard } from '../http.ts'
import { createPlaces, writes } from '../places.ts'
import type { Services } from '../services.ts'
import {
  secretComment as comment,
  secretName,
  secretType,
  secretValue,
  shownSecret,
  writePlace,
} from './secret-shapes.ts'

const deleteBody = z.object({ ...writePlace, type: secretType })
const createBody = deleteBody.extend({ secretValue, secretComment: comment })
const updateBody = createBody.extend({ newSecretName: secretName.optional() })

/** Writes of one secret. */
export function secretWrites(services: Services, guard: Guard): Hono<AppEnv> {
  const { secrets } = services
  const places = createPlaces(services)

  return new Hono<AppEnv>()
    .post('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, createBody)
      const at = places.locate(wanted)
      const { folderId, written } = places.writable(actorOf(c), at, writes.create)
      if (wanted.type === 'personal') throw refuse.personalSecret()
      const created = secrets.create(folderId, {
        name: c.req.param('name'),
        value: wanted.secretValue,
        comment: wanted.secretComment,
      })
      written()
      return c.json({ secret: shownSecret(created, at) })
    })
    .patch('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, updateBody)
      const at = places.locate(wanted)
      const { folderId, written } = places.writable(actorOf(c), at, writes.update)
      const updated = secrets.update(folderId, {
        name: c.req.param('name'),
        newName: wanted.newSecretName,
        value: wanted.secretValue,
        comment: wanted.secretComment,
      })
      written()
      // The recorded server keeps an absent comment, but answers as if it were empty.
      const { secretComment = '' } = wanted
      return c.json({ secret: { ...shownSecret(updated, at), secretComment } })
    })
    .delete('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const at = places.locate(await body(c, deleteBody))
      const { folderId, written } = places.writable(actorOf(c), at, writes.remove)
      const removed = secrets.remove(folderId, c.req.param('name'))
      written()
      return c.json({ secret: shownSecret(removed, at) })
    })
}
