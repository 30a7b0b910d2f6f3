import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import type { Folder } from '../folders.ts'
import { type AppEnv, actorOf, body, type Guard, query, times } from '../http.ts'
import type { Services } from '../services.ts'
import { folderPath } from '../validation.ts'

const place = { workspaceId: z.string().trim(), environment: z.string().trim() }
const folderQuery = z.object({ ...place, path: folderPath })
const folderBody = folderQuery.extend({ name: z.string().trim().min(1) })

const shown = (folder: Folder) => ({
  id: folder.id,
  name: folder.name,
  version: 1,
  ...times(folder),
  envId: folder.environment_id,
  parentId: folder.parent_id,
  isReserved: false,
})

/** Folders. A right to a folder is the right to the secrets of the path it is in, as recorded. */
export function folderRoutes(services: Services, guard: Guard): Hono<AppEnv> {
  const { access, folders, projects, webhooks } = services

  const environmentOf = (projectId: string, slug: string, name: string) => {
    const environment = projects.environment(projects.byId(projectId).id, slug)
    if (!environment) throw refuse.environmentUnknown(slug, projectId, name)
    return environment
  }

  return new Hono<AppEnv>()
    .get('/', guard('signed-in', 'read'), (c) => {
      const { workspaceId, environment, path } = query(c, folderQuery)
      access.rulesOf(actorOf(c), projects.byId(workspaceId).id)
      const { id } = environmentOf(workspaceId, environment, 'GetFolders')
      const folder = folders.find(id, path)
      return c.json({ folders: folder ? folders.children(folder.id).map(shown) : [] })
    })
    .post('/', guard('signed-in', 'secrets'), async (c) => {
      const { workspaceId, environment, path, name } = await body(c, folderBody)
      access.demand(actorOf(c), projects.byId(workspaceId).id, {
        action: 'create',
        subject: 'secrets',
        place: { environment, secretPath: path },
      })
      const { id } = environmentOf(workspaceId, environment, 'CreateFolder')
      return c.json({ folder: shown(folders.create(id, `${path}/${name}`)) })
    })
    .delete('/:folderIdOrName', guard('signed-in', 'secrets'), async (c) => {
      const { workspaceId, environment, path } = await body(c, folderQuery)
      access.demand(actorOf(c), projects.byId(workspaceId).id, {
        action: 'delete',
        subject: 'secrets',
        place: { environment, secretPath: path },
      })
      const at = environmentOf(workspaceId, environment, 'DeleteFolder')
      const parent = folders.find(at.id, path)
      const wanted = c.req.param('folderIdOrName')
      const folder =
        parent &&
        folders.children(parent.id).find(({ id, name }) => id === wanted || name === wanted)
      if (!folder) throw refuse.folderUnknown(`${path}/${wanted}`, environment, 'DeleteFolder')
      folders.remove(folder.id)
      webhooks.changed(at, path)
      return c.json({ folder: shown(folder) })
    })
}
