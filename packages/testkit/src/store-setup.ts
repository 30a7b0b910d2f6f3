import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PrivilegeSpec, seedProject } from '@keyturn/infisical-dev'

/** An identity of the secret store, as its owner holds it. */
export interface Identity {
  readonly id: string
  readonly clientId: string
  readonly clientSecret: string
}

/** What has to survive so that a world can be started again on its data. */
export interface Seed {
  readonly projectId: string
  readonly identities: Readonly<Record<string, Identity>>
}

/** Creates project and identities as the owner of the store would, once for each data folder. */
export async function seedOnce(dataDir: string, url: string, adminToken: string): Promise<Seed> {
  const file = join(dataDir, 'seed.json')
  const known = await readFile(file, 'utf8').catch(() => undefined)
  if (known !== undefined) return JSON.parse(known) as Seed
  const rights = (paths: PrivilegeSpec['paths'], actions: PrivilegeSpec['actions']) => ({
    environment: 'prod',
    paths,
    actions,
  })
  const seed = await seedProject(url, adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [
      {
        name: 'token-service@journal',
        accessTokenTTL: 3600,
        accessTokenMaxTTL: 86_400,
        privileges: ['/auth/jwt', '/auth/aes', '/auth/revoked', '/auth/edge'].map((path) =>
          rights([path], ['read']),
        ),
      },
      {
        name: 'rotator@ops',
        accessTokenTTL: 900,
        accessTokenMaxTTL: 3600,
        privileges: [rights(['/auth/**'], ['read', 'create', 'edit', 'delete'])],
      },
    ],
  })
  await writeFile(file, JSON.stringify(seed), { mode: 0o600 })
  return seed
}

/** How the owner and rotator@ops get into the store. */
export interface StoreAccess {
  readonly projectId: string
  readonly adminToken: string
  readonly cliEnv: Readonly<Record<string, string>>
}

/** Creates the webhook to the issuer, which only a user of the store may, once for each project. */
export async function createWebhookOnce(
  urls: { readonly infisical: string; readonly issuer: string },
  { projectId, adminToken, cliEnv }: StoreAccess,
): Promise<void> {
  const call = async <T>(path: string, token: string | undefined, body?: object): Promise<T> => {
    const answer = await fetch(`${urls.infisical}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const { webhooks } = await call<{ webhooks: readonly unknown[] }>(
    `/api/v1/webhooks?workspaceId=${projectId}`,
    adminToken,
  )
  if (webhooks.length > 0) return
  const { accessToken } = await call<{ accessToken: string }>(
    '/api/v1/auth/universal-auth/login',
    undefined,
    {
      clientId: cliEnv.INFISICAL_UNIVERSAL_AUTH_CLIENT_ID,
      clientSecret: cliEnv.INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET,
    },
  )
  const query = new URLSearchParams({
    workspaceId: projectId,
    environment: 'prod',
    secretPath: '/auth/edge',
  })
  const { secret } = await call<{ secret: { secretValue: string } }>(
    `/api/v3/secrets/raw/webhook_secret?${query}`,
    accessToken,
  )
  await call('/api/v1/webhooks', adminToken, {
    workspaceId: projectId,
    environment: 'prod',
    secretPath: '/auth/**',
    webhookUrl: `${urls.issuer}/hooks/infisical`,
    webhookSecretKey: secret.secretValue,
  })
}
