import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import type { Folder } from '../folders.ts'
import { type AppEnv, actorOf, body, type Guard, query, times } from '../http.ts'
import { isAllowed } from '../permissions.ts'
import type { Environment } from '../projects.ts'
import { expandReferences, type Lookup } from '../references.ts'
import type { NewSecret, Secret, SecretChange } from '../secrets.ts'
import type { Services } from '../services.ts'
import { folderPath, queryFlag } from '../validation.ts'

// As recorded: trimmed, but one newline at the end survives.
const secretValue = z
  .string()
  .transform((value) => (value.endsWith('\n') ? `${value.trim()}\n` : value.trim()))
const secretName = z.string().trim()
const comment = z.string().trim().optional()

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

const place = {
  workspaceId: z.string().trim(),
  environment: z.string().trim(),
  secretPath: folderPath,
}
const type = z.enum(['shared', 'personal']).default('shared')
const createBody = z.object({ ...place, secretValue, secretComment: comment, type })
const updateBody = createBody.extend({ newSecretName: secretName.optional() })
const deleteBody = z.object({ ...place, type })
const batch = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object({ ...place, secrets: z.array(z.object({ secretKey: secretName, ...shape })).min(1) })
const createAllBody = batch({ secretValue, secretComment: comment })
const updateAllBody = batch({
  secretValue: secretValue.optional(),
  secretComment: comment,
  newSecretName: secretName.optional(),
})
const deleteAllBody = batch({ type })

/** A folder as a request names it; what does not exist is absent. */
interface Location {
  readonly projectId: string
  readonly slug: string
  readonly path: string
  readonly environment: Environment | undefined
  readonly folder: Folder | undefined
}

const shown = (secret: Secret, { projectId, slug }: Location) => ({
  id: secret.id,
  _id: secret.id,
  workspace: projectId,
  environment: slug,
  version: secret.version,
  type: 'shared',
  secretKey: secret.name,
  secretValue: secret.value,
  secretComment: secret.comment,
  secretReminderNote: null,
  secretReminderRepeatDays: null,
  skipMultilineEncoding: false,
  metadata: null,
  ...times(secret),
})

// The router of the recorded server takes a longer name for another route.
const maxNameLength = 100
const refuseLongName: MiddlewareHandler<AppEnv> = async (c, next) => {
  const name = c.req.param('name') ?? ''
  return name.length > maxNameLength ? c.notFound() : next()
}

/** Secrets in the clear (`raw`), one by one and in batches. */
export function secretRoutes(services: Services, guard: Guard): Hono<AppEnv> {
  const { access, folders, secrets, webhooks } = services
  const { locate, locateForRead, lookup } = createLocator(services)

  const may = (c: Context<AppEnv>, action: string, { projectId, slug, path }: Location) =>
    access.demand(actorOf(c), projectId, {
      action,
      subject: 'secrets',
      place: { environment: slug, secretPath: path },
    })

  // Permission first: whoever may not write a folder does not learn whether it exists.
  const writable = (c: Context<AppEnv>, at: Location, [action, name]: WriteKind): Writable => {
    may(c, action, at)
    const { environment, folder } = at
    if (!environment || !folder) throw refuse.folderUnknown(at.path, at.slug, name)
    return { folderId: folder.id, written: () => webhooks.changed(environment, at.path) }
  }

  const listed = (c: Context<AppEnv>, at: Location, isRecursive: boolean) => {
    const { environment, folder, path } = at
    if (!isRecursive) {
      may(c, 'read', at)
      return folder ? [{ path, secrets: secrets.list(folder.id) }] : []
    }
    const rules = access.rulesOf(actorOf(c), at.projectId)
    const isReadable = (secretPath: string) =>
      isAllowed(rules, 'read', {
        subject: 'secrets',
        place: { environment: at.slug, secretPath },
      })
    return (environment ? folders.below(environment.id, path) : [])
      .filter((below) => isReadable(below.path))
      .map((below) => ({ path: below.path, secrets: secrets.list(below.id) }))
  }

  const expanded = (c: Context<AppEnv>, at: Location, value: string, path: string) =>
    expandReferences(value, { environment: at.slug, secretPath: path }, lookup(c, at.projectId))

  return new Hono<AppEnv>()
    .get('/raw', guard('signed-in', 'secrets'), (c) => {
      const wanted = query(c, listQuery)
      const at = locateForRead(wanted)
      const items = listed(c, at, wanted.recursive)
        .flatMap(({ path, secrets: found }) => found.map((secret) => ({ secret, path })))
        .sort((one, other) => (one.secret.id < other.secret.id ? -1 : 1))
        .map(({ secret, path }) => {
          const view = shown(secret, at)
          const value = wanted.expandSecretReferences
            ? expanded(c, at, secret.value, path)
            : secret.value
          return { ...view, secretValue: value, secretPath: path, tags: [] }
        })
      const hasImports = wanted.include_imports || !at.folder
      return c.json({ secrets: items, ...(hasImports && { imports: [] }) })
    })

    .post('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, createAllBody)
      const at = locate(wanted)
      const { folderId, written } = writable(c, at, writeKinds.create)
      const created = secrets.createAll(folderId, wanted.secrets.map(newSecret))
      written()
      return c.json({ secrets: created.map((secret) => shown(secret, at)) })
    })
    .patch('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, updateAllBody)
      const at = locate(wanted)
      const { folderId, written } = writable(c, at, writeKinds.update)
      const updated = secrets.updateAll(folderId, wanted.secrets.map(secretChange))
      written()
      return c.json({ secrets: updated.map((secret) => shown(secret, at)) })
    })
    .delete('/batch/raw', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, deleteAllBody)
      const at = locate(wanted)
      const { folderId, written } = writable(c, at, writeKinds.remove)
      const names = wanted.secrets.map(({ secretKey }) => secretKey)
      const removed = secrets.removeAll(folderId, names)
      written()
      return c.json({ secrets: removed.map((secret) => shown(secret, at)) })
    })

    .use('/raw/:name', refuseLongName)
    .get('/raw/:name', guard('signed-in', 'secrets'), (c) => {
      const wanted = query(c, oneQuery)
      const at = locateForRead(wanted)
      may(c, 'read', at)
      if (!at.folder) throw refuse.folderUnknown(at.path, at.slug, 'GetSecretByName')
      const name = c.req.param('name')
      const secret = secrets.find(at.folder.id, name)
      if (!secret) throw refuse.secretUnknown(name)
      const value = wanted.expandSecretReferences
        ? expanded(c, at, secret.value, at.path)
        : secret.value
      return c.json({ secret: { ...shown(secret, at), secretValue: value, tags: [] } })
    })
    .post('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, createBody)
      const at = locate(wanted)
      const { folderId, written } = writable(c, at, writeKinds.create)
      if (wanted.type === 'personal') throw refuse.personalSecret()
      const created = secrets.create(folderId, {
        name: c.req.param('name'),
        value: wanted.secretValue,
        comment: wanted.secretComment,
      })
      written()
      return c.json({ secret: shown(created, at) })
    })
    .patch('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const wanted = await body(c, updateBody)
      const at = locate(wanted)
      const { folderId, written } = writable(c, at, writeKinds.update)
      const updated = secrets.update(folderId, {
        name: c.req.param('name'),
        newName: wanted.newSecretName,
        value: wanted.secretValue,
        comment: wanted.secretComment,
      })
      written()
      // The recorded server keeps an absent comment, but answers as if it were empty.
      const { secretComment = '' } = wanted
      return c.json({ secret: { ...shown(updated, at), secretComment } })
    })
    .delete('/raw/:name', guard('signed-in', 'secrets'), async (c) => {
      const at = locate(await body(c, deleteBody))
      const { folderId, written } = writable(c, at, writeKinds.remove)
      const removed = secrets.remove(folderId, c.req.param('name'))
      written()
      return c.json({ secret: shown(removed, at) })
    })
}

/** The action that a write needs, and the name that its refusals bear. */
type WriteKind = readonly [action: string, name: string]

const writeKinds = {
  create: ['create', 'CreateSecret'],
  update: ['edit', 'UpdateSecret'],
  remove: ['delete', 'DeleteSecret'],
} as const satisfies Record<string, WriteKind>

interface Writable {
  readonly folderId: string
  /** Tells the webhooks. */
  written(): void
}

const newSecret = (item: z.output<typeof createAllBody>['secrets'][number]): NewSecret => ({
  name: item.secretKey,
  value: item.secretValue,
  comment: item.secretComment,
})

const secretChange = (item: z.output<typeof updateAllBody>['secrets'][number]): SecretChange => ({
  name: item.secretKey,
  newName: item.newSecretName,
  value: item.secretValue,
  comment: item.secretComment,
})

function createLocator({ access, folders, projects, secrets }: Services) {
  const at = (projectId: string, slug: string, path: string): Location => {
    const environment = projects.environment(projectId, slug)
    const folder = environment && folders.find(environment.id, path)
    return { projectId, slug, path, environment, folder }
  }

  const locate = (wanted: {
    readonly workspaceId: string
    readonly environment: string
    readonly secretPath: string
  }): Location => {
    const project = projects.find({ id: wanted.workspaceId })
    if (!project) throw refuse.projectOfSecretsUnknown(wanted.workspaceId)
    return at(project.id, wanted.environment, wanted.secretPath)
  }

  const locateForRead = (wanted: z.output<typeof readQuery>): Location => {
    const { workspaceId, workspaceSlug, environment, secretPath } = wanted
    if (!workspaceId && !workspaceSlug) throw refuse.projectMissing()
    if (!environment) throw refuse.environmentMissing()
    if (workspaceId) return locate({ workspaceId, environment, secretPath })
    return at(projects.bySlug(workspaceSlug ?? '').id, environment, secretPath)
  }

  const lookup =
    (c: Context<AppEnv>, projectId: string): Lookup =>
    (referenced, name) => {
      const { environment, secretPath } = referenced
      const { folder } = at(projectId, environment, secretPath)
      const secret = folder && secrets.find(folder.id, name)
      if (!secret) return undefined
      const rules = access.rulesOf(actorOf(c), projectId)
      if (!isAllowed(rules, 'read', { subject: 'secrets', place: referenced })) {
        throw refuse.referenceForbidden(name, environment, secretPath)
      }
      return secret.value
    }

  return { locate, locateForRead, lookup }
}
