import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import { type AppEnv, body, type Guard, query, times } from '../http.ts'
import type { Environment } from '../projects.ts'
import type { Services } from '../services.ts'
import { folderPath } from '../validation.ts'
import type { Webhook } from '../webhooks.ts'

const webhookBody = z.object({
  workspaceId: z.string().trim(),
  environment: z.string().trim(),
  webhookUrl: z.url().trim(),
  webhookSecretKey: z.string().trim().optional(),
  secretPath: folderPath,
})
const webhooksQuery = z.object({
  workspaceId: z.string().trim(),
  environment: z.string().trim().optional(),
  secretPath: z.string().trim().optional(),
})

const shownEnvironment = ({ id, name, slug }: Environment) => ({ id, name, slug })

const shown = (webhook: Webhook, environment: Environment) => ({
  id: webhook.id,
  secretPath: webhook.path,
  lastStatus: webhook.last_status,
  lastRunErrorMessage: webhook.last_error,
  isDisabled: false,
  ...times(webhook),
  envId: environment.id,
  type: 'general',
  projectId: environment.project_id,
  environment: shownEnvironment(environment),
})

/** Webhooks; for the user only, as recorded. */
export function webhookRoutes({ projects, webhooks }: Services, guard: Guard): Hono<AppEnv> {
  const environmentOf = (webhook: Webhook): Environment => {
    const environment = projects.environmentById(webhook.environment_id)
    if (!environment) throw refuse.webhookUnknown(webhook.id)
    return environment
  }

  return new Hono<AppEnv>()
    .post('/', guard('users', 'write'), async (c) => {
      const wanted = await body(c, webhookBody)
      const { workspaceId, environment: slug } = wanted
      const environment = projects.environment(projects.byId(workspaceId).id, slug)
      if (!environment) throw refuse.environmentUnknown(slug, workspaceId, 'CreateWebhook')
      const webhook = webhooks.create(environment.id, {
        path: wanted.secretPath,
        url: wanted.webhookUrl,
        // An empty key is no key.
        secret: wanted.webhookSecretKey || undefined,
      })
      const message = 'Successfully created webhook'
      return c.json({ message, webhook: shown(webhook, environment) })
    })
    .get('/', guard('users', 'read'), (c) => {
      const { workspaceId, environment: slug, secretPath } = query(c, webhooksQuery)
      const environments = projects
        .environments(projects.byId(workspaceId).id)
        .filter((environment) => slug === undefined || environment.slug === slug)
      const found = webhooks
        .list(environments.map(({ id }) => id))
        .filter(({ path }) => secretPath === undefined || path === secretPath)
        .map((webhook) => ({ ...shown(webhook, environmentOf(webhook)), url: webhook.url }))
      return c.json({ message: 'Successfully fetched webhook', webhooks: found })
    })
    .post('/:webhookId/test', guard('users', 'write'), async (c) => {
      const webhook = webhooks.byId(c.req.param('webhookId'))
      const environment = environmentOf(webhook)
      const tested = await webhooks.test(webhook, environment)
      const message = 'Successfully tested webhook'
      return c.json({ message, webhook: shown(tested, environment) })
    })
    .delete('/:webhookId', guard('users', 'write'), (c) => {
      const webhook = webhooks.byId(c.req.param('webhookId'))
      const environment = environmentOf(webhook)
      webhooks.remove(webhook.id)
      const message = 'Successfully deleted webhook'
      return c.json({ message, webhook: { ...shown(webhook, environment), url: '' } })
    })
}
