import { type Access, createAccess } from './access.ts'
import { type Auth, createAuth } from './auth.ts'
import type { Clock } from './clock.ts'
import { createFolders, type Folders } from './folders.ts'
import { createIdentities, type Identities } from './identities.ts'
import { createProjects, type Projects } from './projects.ts'
import { createSecrets, type Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'
import type { Store } from './store.ts'
import { createWebhooks, type Webhooks } from './webhooks.ts'

/** What the routes call. */
export interface Services {
  readonly settings: Settings
  readonly auth: Auth
  readonly projects: Projects
  readonly folders: Folders
  readonly secrets: Secrets
  readonly identities: Identities
  readonly access: Access
  readonly webhooks: Webhooks
}

export function createServices(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly settings: Settings
  readonly webhookDelayMs: number
}): Services {
  const { settings, webhookDelayMs, ...base } = deps
  return {
    settings,
    auth: createAuth({ ...base, settings }),
    projects: createProjects(base),
    folders: createFolders(base),
    secrets: createSecrets(base),
    identities: createIdentities(base),
    access: createAccess(base),
    webhooks: createWebhooks({ ...base, delayMs: webhookDelayMs }),
  }
}
