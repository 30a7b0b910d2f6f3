import { z } from 'zod'

/** A right by environment and paths: all actions hold on all paths. */
export interface PrivilegeSpec {
  readonly environment: string
  /** Globs of folder paths; `/auth/jwt/**` includes `/auth/jwt` itself. */
  readonly paths: readonly string[]
  readonly actions: readonly ('read' | 'create' | 'edit' | 'delete')[]
}

export interface IdentitySpec {
  readonly name: string
  /** Seconds; default 3600. */
  readonly accessTokenTTL?: number
  /** Seconds; default 86400. 0 means without limit. */
  readonly accessTokenMaxTTL?: number
  /** Requests that one access token is good for; default 0, without limit. */
  readonly accessTokenNumUsesLimit?: number
  /** The role in the project; default `no-access`, so that only the privileges count. */
  readonly role?: string
  readonly privileges?: readonly PrivilegeSpec[]
}

export interface ProjectSpec {
  readonly projectName: string
  /** At least 5 characters. */
  readonly slug: string
  /** Environments beside dev, staging and prod. */
  readonly environments?: readonly { readonly name: string; readonly slug: string }[]
  readonly identities: readonly IdentitySpec[]
}

export interface SeededIdentity {
  readonly id: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface SeededProject {
  readonly projectId: string
  readonly identities: Readonly<Record<string, SeededIdentity>>
}

const projectAnswer = z.object({ project: z.object({ id: z.string(), orgId: z.string() }) })
const identityAnswer = z.object({ identity: z.object({ id: z.string() }) })
const universalAuthAnswer = z.object({
  identityUniversalAuth: z.object({ clientId: z.string() }),
})
const clientSecretAnswer = z.object({ clientSecret: z.string() })

type Post = <Answer>(path: string, body: object, answer: z.ZodType<Answer>) => Promise<Answer>

/**
 * Sets up a project with identities over HTTP, with recorded calls only, so that a real server of
 * that release understands them too. Not idempotent: a slug that is taken is refused.
 *
 * @param adminToken the bearer token of a user who may create projects and identities
 * @throws {Error} naming the call, the status and the server's message
 */
export async function seedProject(
  baseUrl: string,
  adminToken: string,
  spec: ProjectSpec,
): Promise<SeededProject> {
  const post = createPost(baseUrl, adminToken)
  const { project } = await post(
    '/api/v2/workspace',
    { projectName: spec.projectName, slug: spec.slug },
    projectAnswer,
  )
  for (const environment of spec.environments ?? []) {
    await post(`/api/v1/workspace/${project.id}/environments`, environment, z.unknown())
  }
  const identities: Record<string, SeededIdentity> = {}
  for (const identity of spec.identities) {
    const created = await createIdentity(post, project.orgId, identity)
    await admit(post, { id: project.id, slug: spec.slug }, created.id, identity)
    identities[identity.name] = created
  }
  return { projectId: project.id, identities }
}

async function createIdentity(
  post: Post,
  organizationId: string,
  spec: IdentitySpec,
): Promise<SeededIdentity> {
  const wanted = { name: spec.name, organizationId, role: 'no-access' }
  const { identity } = await post('/api/v1/identities', wanted, identityAnswer)
  const universalAuth = `/api/v1/auth/universal-auth/identities/${identity.id}`
  const limits = {
    accessTokenTTL: spec.accessTokenTTL ?? 3600,
    accessTokenMaxTTL: spec.accessTokenMaxTTL ?? 86_400,
    accessTokenNumUsesLimit: spec.accessTokenNumUsesLimit ?? 0,
  }
  const { identityUniversalAuth } = await post(universalAuth, limits, universalAuthAnswer)
  const { clientSecret } = await post(
    `${universalAuth}/client-secrets`,
    { description: 'seed', ttl: 0, numUsesLimit: 0 },
    clientSecretAnswer,
  )
  return { id: identity.id, clientId: identityUniversalAuth.clientId, clientSecret }
}

async function admit(
  post: Post,
  project: { readonly id: string; readonly slug: string },
  identityId: string,
  { role = 'no-access', privileges = [] }: IdentitySpec,
): Promise<void> {
  const memberships = `/api/v2/workspace/${project.id}/identity-memberships`
  await post(`${memberships}/${identityId}`, { role }, z.unknown())
  const rules = privileges.flatMap(({ environment, paths, actions }) =>
    paths.map((path) => ({ environment, path, actions })),
  )
  for (const [index, { environment, path, actions }] of rules.entries()) {
    const conditions = { environment, secretPath: { $glob: path } }
    const privilege = {
      identityId,
      projectSlug: project.slug,
      slug: `seed-${index + 1}`,
      privilegePermission: { actions, subject: 'secrets', conditions },
    }
    await post('/api/v1/additional-privilege/identity/permanent', privilege, z.unknown())
  }
}

function createPost(baseUrl: string, adminToken: string): Post {
  return async (path, body, answer) => {
    const response = await fetch(new URL(path, baseUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
    })
    if (!response.ok) {
      const said = await response.text()
      throw new Error(`seeding Infisical: POST ${path}: ${response.status} ${said}`)
    }
    return answer.parse(await response.json())
  }
}
