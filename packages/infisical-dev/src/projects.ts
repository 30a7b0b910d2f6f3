import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import type { Store } from './store.ts'

export interface Project {
  readonly id: string
  readonly name: string
  readonly slug: string
  readonly created_at: number
  readonly updated_at: number
}

export interface Environment {
  readonly id: string
  readonly project_id: string
  readonly name: string
  readonly slug: string
  readonly position: number
  readonly created_at: number
  readonly updated_at: number
}

export interface Projects {
  /** Creates a project with the environments dev, staging and prod, each with a root folder. */
  create(name: string, slug: string | undefined): Project
  /** @throws {ApiError} 404 */
  byId(id: string): Project
  /** @throws {ApiError} 404 */
  bySlug(slug: string): Project
  find(by: { readonly id: string } | { readonly slug: string }): Project | undefined
  environments(projectId: string): readonly Environment[]
  environment(projectId: string, slug: string): Environment | undefined
  environmentById(id: string): Environment | undefined
  /** @throws {ApiError} 400 when the slug is taken */
  createEnvironment(projectId: string, name: string, slug: string): Environment
}

const defaultEnvironments = [
  ['Development', 'dev'],
  ['Staging', 'staging'],
  ['Production', 'prod'],
] as const

export function createProjects(deps: { readonly store: Store; readonly clock: Clock }): Projects {
  const { store, clock } = deps

  const find: Projects['find'] = (by) =>
    'id' in by
      ? store.get<Project>('SELECT * FROM projects WHERE id = ?', by.id)
      : store.get<Project>('SELECT * FROM projects WHERE slug = ?', by.slug)

  const environments = (projectId: string) =>
    store.all<Environment>(
      'SELECT * FROM environments WHERE project_id = ? ORDER BY position',
      projectId,
    )

  const environment = (projectId: string, slug: string) =>
    store.get<Environment>(
      'SELECT * FROM environments WHERE project_id = ? AND slug = ?',
      projectId,
      slug,
    )

  const addEnvironment = (projectId: string, name: string, slug: string): Environment => {
    const nowMs = clock.nowMs()
    const added: Environment = {
      id: randomUUID(),
      project_id: projectId,
      name,
      slug,
      position: environments(projectId).length + 1,
      created_at: nowMs,
      updated_at: nowMs,
    }
    store.run(
      'INSERT INTO environments VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[added.id, projectId, name, slug, added.position, nowMs, nowMs],
    )
    store.run(
      "INSERT INTO folders VALUES (?, ?, NULL, 'root', ?, ?)",
      ...[randomUUID(), added.id, nowMs, nowMs],
    )
    return added
  }

  return {
    find,
    environments,
    environment,
    environmentById: (id) => store.get<Environment>('SELECT * FROM environments WHERE id = ?', id),
    byId(id) {
      const project = find({ id })
      if (!project) throw refuse.projectUnknown(id)
      return project
    },
    bySlug(slug) {
      const project = find({ slug })
      if (!project) throw refuse.projectSlugUnknown(slug)
      return project
    },
    create: (name, givenSlug) =>
      store.atomically(() => {
        const slug = givenSlug ?? generatedSlug(name)
        if (find({ slug })) throw refuse.projectSlugTaken(slug)
        const nowMs = clock.nowMs()
        const project = { id: randomUUID(), name, slug, created_at: nowMs, updated_at: nowMs }
        store.run(
          'INSERT INTO projects VALUES (?, ?, ?, ?, ?)',
          ...[project.id, name, slug, nowMs, nowMs],
        )
        for (const [title, id] of defaultEnvironments) addEnvironment(project.id, title, id)
        return project
      }),
    createEnvironment: (projectId, name, slug) =>
      store.atomically(() => {
        if (environment(projectId, slug)) throw refuse.environmentTaken(slug)
        return addEnvironment(projectId, name, slug)
      }),
  }
}

const generatedSlug = (name: string) => {
  const words = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  return `${words}-${randomUUID().slice(0, 4)}`
}
