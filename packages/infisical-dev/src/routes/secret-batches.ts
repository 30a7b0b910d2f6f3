import { Hono } from 'hono'
import { z } from 'zod'

import { type AppEnv, actorOf, body, type Guard } from '../http.ts'
import { createPlaces, writes } from '../places.ts'
import type { Services } from '../services.ts'
import {
  secretComment,
  secretName,
  secretType,
  secretValue,
  shownSecret,
  writePlace,
} from './secret-shapes.ts'

const batch = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object({
    ...writePlace,
    secrets: z.array(z.object({ secretKey: secretName, ...shape })).min(1),
  })
const createBody = batch({ secretValue, secretComment })
const updateBody = batch({
  secretValue: secretValue.optional(),
  secretComment,
  newSecretName: secretName.optional(),
})
const deleteBody = batch({ type: secretType })

/** Writes of several secrets of one folder: all of them, or none. */
export function secretBatches(services: Services, guard: Guard): Hono<AppEnv> {
  const { secrets } = services
  const places = createPlaces(services)

  return new Hono<AppEnv>()
    .post('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, createBody)
      const at = places.locate(wanted)
      const { folderId, written } = places.writable(actorOf(c), at, writes.create)
      const items = wanted.secrets.map((item) => ({
        name: item.secretKey,
        value: item.secretValue,
        comment: item.secretComment,
      }))
      const created = secrets.createAll(folderId, items)
      written()
      return c.json({ secrets: created.map((secret) => shownSecret(secret, at)) })
    })
    .patch('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, updateBody)
      const at = places.locate(wanted)
      const { folderId, written } = places.writable(actorOf(c), at, writes.update)
      const changes = wanted.secrets.map((item) => ({
        name: item.secretKey,
        newName: item.newSecretName,
        value: item.secretValue,
        comment: item.secretComment,
      }))
      const updated = secrets.updateAll(folderId, changes)
      written()
      return c.json({ secrets: updated.map((secret) => shownSecret(secret, at)) })
    })
    .delete('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, deleteBody)
      const at = places.locate(wanted)
      const { folderId, written } = places.writable(actorOf(c), at, writes.remove)
      const names = wanted.secrets.map(({ secretKey }) => secretKey)
      const removed = secrets.removeAll(folderId, names)
      written()
      return c.json({ secrets: removed.map((secret) => shownSecret(secret, at)) })
    })
}
