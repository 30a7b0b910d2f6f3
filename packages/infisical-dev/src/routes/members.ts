import { Hono } from 'hono'
import { z } from 'zod'

import type { Privilege } from '../access.ts'
import { type AppEnv, actorOf, body, type Guard, iso, query, times } from '../http.ts'
import type { Membership, MembershipRole } from '../memberships.ts'
import { builtInRoles, conditionsSchema, type Rule, ruleSchema } from '../permissions.ts'
import type { Role } from '../roles.ts'
import type { Services } from '../services.ts'

const joinBody = z.object({ role: z.string().trim().min(1).default('no-access') })
const rolesBody = z.object({ roles: z.array(z.object({ role: z.string().trim() })).min(1) })
const newRoleBody = z.object({
  slug: z.string().trim().min(1),
  name: z.string().trim(),
  description: z.string().trim().nullable().default(null),
  permissions: z.array(ruleSchema),
})
const roleChangeBody = z.object({
  name: z.string().trim().optional(),
  description: z.string().trim().nullable().optional(),
  permissions: z.array(ruleSchema).optional(),
})
const ofMember = { identityId: z.string().min(1), projectSlug: z.string().min(1) }
const privilegesQuery = z.object(ofMember)
const privilegeBody = z.object({
  ...ofMember,
  slug: z.string().trim().min(1),
  privilegePermission: z.object({
    actions: z.array(z.string()).min(1),
    subject: z.string(),
    conditions: conditionsSchema.optional(),
  }),
})

// The ids that the recorded server gives to the roles of every project.
const builtInRoleIds = ['69', '70', '71', '72'].map(
  (end) => `b11b49a9-09a9-4443-916a-4246f9ff2c${end}`,
)

const permanent = {
  isTemporary: false,
  temporaryMode: null,
  temporaryRange: null,
  temporaryAccessStartTime: null,
  temporaryAccessEndTime: null,
}

const shownMembership = (membership: Membership) => ({
  id: membership.id,
  projectId: membership.project_id,
  identityId: membership.identity_id,
  ...times(membership),
})

const shownMembershipRole = (role: MembershipRole) => ({
  id: role.id,
  role: role.role,
  projectMembershipId: role.membership_id,
  customRoleId: role.custom_role_id,
  ...permanent,
  ...times(role),
})

const shownPrivilege = (privilege: Privilege) => ({
  id: privilege.id,
  slug: privilege.slug,
  projectMembershipId: privilege.membership_id,
  ...permanent,
  permissions: privilege.rules,
  ...times(privilege),
})

const roleText = ({ id, name, description, slug }: Role) => ({ id, name, description, slug })

const shownRole = (role: Role) => ({
  ...roleText(role),
  permissions: role.rules,
  ...times(role),
  projectId: role.project_id,
})

const listedRole = (role: Role) => ({
  ...roleText(role),
  ...times(role),
  projectId: role.project_id,
})

const builtInRolesOf = (projectId: string) => {
  const now = iso(Date.now())
  return Object.entries(builtInRoles).map(([slug, { name, description }], index) => ({
    id: builtInRoleIds[index],
    name,
    description,
    slug,
    createdAt: now,
    updatedAt: now,
    projectId,
  }))
}

/** Members of a project, its custom roles, and privileges beside the roles. */
export function memberRoutes(services: Services, guard: Guard): Hono<AppEnv> {
  const { access, identities, memberships, projects, roles } = services
  const membership = '/v2/workspace/:projectId/identity-memberships/:identityId'
  const privileges = '/v1/additional-privilege/identity'
  const ruled = (action: string, subject: string) => ({ action, subject })

  return new Hono<AppEnv>()
    .post(membership, guard('signed-in', 'write'), async (c) => {
      const { role } = await body(c, joinBody)
      const project = projects.byId(c.req.param('projectId'))
      access.demand(actorOf(c), project.id, ruled('create', 'identity'))
      const identity = identities.byId(c.req.param('identityId'))
      const joined = memberships.join(project.id, identity.id, role)
      return c.json({ identityMembership: shownMembership(joined) })
    })
    .patch(membership, guard('signed-in', 'write'), async (c) => {
      const wanted = await body(c, rolesBody)
      const project = projects.byId(c.req.param('projectId'))
      access.demand(actorOf(c), project.id, ruled('edit', 'identity'))
      const member = memberships.get(project.id, c.req.param('identityId'))
      const assigned = memberships.assign(
        member,
        wanted.roles.map(({ role }) => role),
      )
      return c.json({ roles: assigned.map(shownMembershipRole) })
    })
    .get('/v1/workspace/:projectSlug/roles', guard('signed-in', 'read'), (c) => {
      const { id } = projects.bySlug(c.req.param('projectSlug'))
      access.demand(actorOf(c), id, ruled('read', 'role'))
      return c.json({ roles: [...builtInRolesOf(id), ...roles.list(id).map(listedRole)] })
    })
    .post('/v1/workspace/:projectSlug/roles', guard('signed-in', 'write'), async (c) => {
      const { permissions: rules, ...text } = await body(c, newRoleBody)
      const { id } = projects.bySlug(c.req.param('projectSlug'))
      access.demand(actorOf(c), id, ruled('create', 'role'))
      return c.json({ role: shownRole(roles.create(id, { ...text, rules })) })
    })
    .patch('/v1/workspace/:projectSlug/roles/:roleId', guard('signed-in', 'write'), async (c) => {
      const { permissions: rules, ...text } = await body(c, roleChangeBody)
      const { id } = projects.bySlug(c.req.param('projectSlug'))
      access.demand(actorOf(c), id, ruled('edit', 'role'))
      const role = roles.update(id, c.req.param('roleId'), { ...text, rules })
      return c.json({ role: shownRole(role) })
    })
    .post(`${privileges}/permanent`, guard('signed-in', 'write'), async (c) => {
      const { identityId, projectSlug, slug, privilegePermission } = await body(c, privilegeBody)
      const project = projects.bySlug(projectSlug)
      access.demand(actorOf(c), project.id, ruled('edit', 'identity'))
      const rules = rulesOf(privilegePermission)
      const member = memberships.get(project.id, identityId)
      return c.json({ privilege: shownPrivilege(access.grant(member, { slug, rules })) })
    })
    .get(privileges, guard('signed-in', 'read'), (c) => {
      const { identityId, projectSlug } = query(c, privilegesQuery)
      const project = projects.bySlug(projectSlug)
      access.demand(actorOf(c), project.id, ruled('read', 'identity'))
      const member = memberships.get(project.id, identityId)
      return c.json({ privileges: access.privileges(member).map(shownPrivilege) })
    })
}

// One rule for each action, as the recorded server stores them.
function rulesOf(wanted: z.output<typeof privilegeBody>['privilegePermission']): readonly Rule[] {
  const { actions, ...rest } = wanted
  const { subject, conditions } = rest
  return actions.map((action) => ({ subject, action: [action], conditions }))
}
