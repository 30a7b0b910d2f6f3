import { type Access, createAccess } from './access.ts'
import { type Auth, createAuth } from './auth.ts'
import type { Clock } from './clock.ts'
import { createFolders, type Folders } from './folders.ts'
import { createIdentities, type Identities } from './identities.ts'
import { createMemberships, type Memberships } from './memberships.ts'
import { createProjects, type Projects } from './projects.ts'
import { createRoles, type Roles } from './roles.ts'
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
  readonly roles: Roles
  readonly memberships: Memberships
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
  const roles = createRoles(base)
  const memberships = createMemberships({ ...base, roles })
  return {
    settings,
    auth: createAuth({ ...base, settings }),
    projects: createProjects(base),
    folders: createFolders(base),
    secrets: createSecrets(base),
    identities: createIdentities(base),
    roles,
    memberships,
    access: createAccess({ ...base, roles, memberships }),
    webhooks: createWebhooks({ ...base, delayMs: webhookDelayMs }),
  }
}
