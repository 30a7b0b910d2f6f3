import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import { type AppEnv, actorOf, body, type Guard, times } from '../http.ts'
import type { Project } from '../projects.ts'
import type { Services } from '../services.ts'

const projectBody = z.object({
  projectName: z.string().trim().min(1),
  slug: z.string().trim().min(5).max(36).optional(),
})
const environmentBody = z.object({ name: z.string().trim(), slug: z.string().trim().min(1) })

/** Projects and their environments. */
export function projectRoutes(services: Services, guard: Guard): Hono<AppEnv> {
  const { access, projects, settings } = services

  const shown = (project: Project) => ({
    id: project.id,
    name: project.name,
    slug: project.slug,
    autoCapitalization: true,
    orgId: settings.organizationId,
    ...times(project),
    version: 3,
    upgradeStatus: null,
    pitVersionLimit: 10,
    kmsCertificateKeyId: null,
    auditLogsRetentionDays: null,
    _id: project.id,
    environments: projects.environments(project.id).map(({ name, slug, id }) => ({
      name,
      slug,
      id,
    })),
  })

  return new Hono<AppEnv>()
    .post('/v2/workspace', guard('signed-in', 'write'), async (c) => {
      const { projectName, slug } = await body(c, projectBody)
      if (actorOf(c).type !== 'user') throw refuse.permission('create', 'workspace')
      return c.json({ project: shown(projects.create(projectName, slug)) })
    })
    .get('/v1/workspace/:projectId', guard('signed-in', 'read'), (c) => {
      const project = projects.byId(c.req.param('projectId'))
      access.rulesOf(actorOf(c), project.id)
      return c.json({ workspace: shown(project) })
    })
    .post('/v1/workspace/:projectId/environments', guard('signed-in', 'write'), async (c) => {
      const { name, slug } = await body(c, environmentBody)
      const project = projects.byId(c.req.param('projectId'))
      access.demand(actorOf(c), project.id, { action: 'create', subject: 'environments' })
      const environment = projects.createEnvironment(project.id, name, slug)
      return c.json({
        message: 'Successfully created new environment',
        workspace: project.id,
        environment: {
          id: environment.id,
          name,
          slug,
          position: environment.position,
          ...times(environment),
          projectId: project.id,
        },
      })
    })
}
