import type { Actor } from './auth.ts'
import { refuse } from './errors.ts'
import type { Folder } from './folders.ts'
import { isAllowed } from './permissions.ts'
import type { Environment } from './projects.ts'
import { expandReferences, type Lookup } from './references.ts'
import type { Services } from './services.ts'

/** A folder as a request names it; what does not exist is absent. */
export interface Location {
  readonly projectId: string
  readonly slug: string
  readonly path: string
  readonly environment: Environment | undefined
  readonly folder: Folder | undefined
}

/** A folder that may be written. */
export interface WritableFolder {
  readonly folderId: string
  /** Tells the webhooks; to be called after the write. */
  written(): void
}

/** The action that a write needs, and the name that its refusals bear. */
export const writes = {
  create: { action: 'create', name: 'CreateSecret' },
  update: { action: 'edit', name: 'UpdateSecret' },
  remove: { action: 'delete', name: 'DeleteSecret' },
} as const

/** From what a request names to a folder, and to what its actor may do there. */
export interface Places {
  /** @throws {ApiError} 404 for an unknown project */
  locate(wanted: PlaceOfWrite): Location
  /** Takes the project by id or slug. @throws {ApiError} 400 where project or environment is absent */
  locateForRead(wanted: PlaceOfRead): Location
  /** @throws {ApiError} 403 */
  demandRead(actor: Actor, at: Location): void
  /**
   * Permission is asked first: whoever may not write a folder does not learn whether it exists.
   *
   * @throws {ApiError} 403, 404
   */
  writable(actor: Actor, at: Location, write: (typeof writes)[keyof typeof writes]): WritableFolder
  /** The folders at and below a location; those that may not be read are left out silently. */
  readableBelow(actor: Actor, at: Location): readonly FolderAt[]
  /** Expands the references of a value. @throws {ApiError} 403 for one that may not be read */
  expand(actor: Actor, at: Location, value: string): string
}

export interface FolderAt {
  readonly id: string
  readonly path: string
}

interface PlaceOfWrite {
  readonly workspaceId: string
  readonly environment: string
  readonly secretPath: string
}

interface PlaceOfRead {
  readonly workspaceId?: string | undefined
  readonly workspaceSlug?: string | undefined
  readonly environment?: string | undefined
  readonly secretPath: string
}

export function createPlaces(services: Services): Places {
  const { access, folders, projects, secrets, webhooks } = services

  const at = (projectId: string, slug: string, path: string): Location => {
    const environment = projects.environment(projectId, slug)
    const folder = environment && folders.find(environment.id, path)
    return { projectId, slug, path, environment, folder }
  }

  const demand = (actor: Actor, action: string, { projectId, slug, path }: Location) =>
    access.demand(actor, projectId, {
      action,
      subject: 'secrets',
      place: { environment: slug, secretPath: path },
    })

  const locate: Places['locate'] = ({ workspaceId, environment, secretPath }) => {
    const project = projects.find({ id: workspaceId })
    if (!project) throw refuse.projectOfSecretsUnknown(workspaceId)
    return at(project.id, environment, secretPath)
  }

  const lookup = (actor: Actor, projectId: string): Lookup => {
    const rules = access.rulesOf(actor, projectId)
    return (place, name) => {
      const { folder } = at(projectId, place.environment, place.secretPath)
      const secret = folder && secrets.find(folder.id, name)
      if (!secret) return undefined
      if (!isAllowed(rules, 'read', { subject: 'secrets', place })) {
        throw refuse.referenceForbidden(name, place.environment, place.secretPath)
      }
      return secret.value
    }
  }

  return {
    locate,
    locateForRead({ workspaceId, workspaceSlug, environment, secretPath }) {
      if (!workspaceId && !workspaceSlug) throw refuse.projectMissing()
      if (!environment) throw refuse.environmentMissing()
      if (workspaceId) return locate({ workspaceId, environment, secretPath })
      return at(projects.bySlug(workspaceSlug ?? '').id, environment, secretPath)
    },
    demandRead: (actor, location) => demand(actor, 'read', location),
    writable(actor, location, { action, name }) {
      demand(actor, action, location)
      const { environment, folder, path, slug } = location
      if (!environment || !folder) throw refuse.folderUnknown(path, slug, name)
      return { folderId: folder.id, written: () => webhooks.changed(environment, path) }
    },
    readableBelow(actor, { projectId, environment, path, slug }) {
      const rules = access.rulesOf(actor, projectId)
      const isReadable = (secretPath: string) =>
        isAllowed(rules, 'read', { subject: 'secrets', place: { environment: slug, secretPath } })
      const below = environment ? folders.below(environment.id, path) : []
      return below.filter((folder) => isReadable(folder.path))
    },
    expand(actor, { projectId, slug, path }, value) {
      const place = { environment: slug, secretPath: path }
      return expandReferences(value, place, lookup(actor, projectId))
    },
  }
}
