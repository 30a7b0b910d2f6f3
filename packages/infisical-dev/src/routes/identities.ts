import { Hono } from 'hono'
import { z } from 'zod'

import { refuse } from '../errors.ts'
import { type AppEnv, actorOf, body, type Guard, times } from '../http.ts'
import type { ClientSecret, Identity, UniversalAuth } from '../identities.ts'
import type { Services } from '../services.ts'

const identityBody = z.object({
  name: z.string().trim(),
  organizationId: z.string().trim(),
  role: z.string().trim().min(1).default('no-access'),
})
const thirtyDays = 2_592_000
const seconds = z.number().int().min(0)
const universalAuthBody = z.object({
  accessTokenTTL: seconds.default(thirtyDays),
  accessTokenMaxTTL: seconds.default(thirtyDays),
  accessTokenNumUsesLimit: z.number().int().min(0).default(0),
})
const clientSecretBody = z.object({
  description: z.string().trim().default(''),
  ttl: seconds.default(0),
  numUsesLimit: z.number().int().min(0).default(0),
})

// The recorded plan refuses every other list.
const trustedIps = [
  { type: 'ipv4', prefix: 0, ipAddress: '0.0.0.0' },
  { type: 'ipv6', prefix: 0, ipAddress: '::' },
]

const shownIdentity = (identity: Identity) => ({
  id: identity.id,
  name: identity.name,
  authMethod: null,
  ...times(identity),
})

const shownUniversalAuth = (universalAuth: UniversalAuth) => ({
  id: universalAuth.id,
  clientId: universalAuth.client_id,
  accessTokenTTL: universalAuth.ttl,
  accessTokenMaxTTL: universalAuth.max_ttl,
  accessTokenNumUsesLimit: universalAuth.uses_limit,
  clientSecretTrustedIps: trustedIps,
  accessTokenTrustedIps: trustedIps,
  ...times(universalAuth),
  identityId: universalAuth.identity_id,
})

const shownClientSecret = (secret: ClientSecret) => ({
  id: secret.id,
  ...times(secret),
  description: secret.description,
  clientSecretPrefix: secret.prefix,
  clientSecretNumUses: secret.uses,
  clientSecretNumUsesLimit: secret.uses_limit,
  clientSecretTTL: secret.ttl,
  identityUAId: secret.universal_auth_id,
  isClientSecretRevoked: secret.revoked === 1,
})

/** Machine identities of the organization and their Universal Auth; for the user only. */
export function identityRoutes({ identities }: Services, guard: Guard): Hono<AppEnv> {
  const universalAuth = '/v1/auth/universal-auth/identities/:identityId'
  return new Hono<AppEnv>()
    .post('/v1/identities', guard('signed-in', 'write'), async (c) => {
      const { name } = await body(c, identityBody)
      if (actorOf(c).type !== 'user') throw refuse.permission('create', 'identity')
      return c.json({ identity: shownIdentity(identities.create(name)) })
    })
    .post(universalAuth, guard('signed-in', 'write'), async (c) => {
      const wanted = await body(c, universalAuthBody)
      if (actorOf(c).type !== 'user') throw refuse.permission('create', 'identity')
      const attached = identities.attachUniversalAuth(c.req.param('identityId'), {
        ttl: wanted.accessTokenTTL,
        maxTtl: wanted.accessTokenMaxTTL,
        usesLimit: wanted.accessTokenNumUsesLimit,
      })
      return c.json({ identityUniversalAuth: shownUniversalAuth(attached) })
    })
    .post(`${universalAuth}/client-secrets`, guard('signed-in', 'write'), async (c) => {
      const { description, ttl, numUsesLimit } = await body(c, clientSecretBody)
      if (actorOf(c).type !== 'user') throw refuse.permission('create', 'identity')
      const { clientSecret, stored } = identities.createClientSecret(c.req.param('identityId'), {
        description,
        ttl,
        usesLimit: numUsesLimit,
      })
      return c.json({ clientSecret, clientSecretData: shownClientSecret(stored) })
    })
}
