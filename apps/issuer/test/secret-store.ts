import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nowSeconds, systemClock } from '@keyturn/auth-core'
import {
  apply,
  definePolicy,
  generateFreshKey,
  type Keyring,
  type Step,
} from '@keyturn/auth-core/signing'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  initialiseLayout,
} from '@keyturn/infisical'
import { seedProject, startInfisicalDev } from '@keyturn/infisical-dev'

const TOKEN_SERVICE = 'token-service@journal'
const ROTATOR = 'rotator@ops'

const policy = definePolicy()

const folders = ['/auth/jwt', '/auth/aes', '/auth/revoked', '/auth/edge']

/** A real secret store over HTTP, with the layout of an initialised project, and who may write it. */
export async function startSecretStore(edges: readonly { name: string; url: string }[] = []) {
  const dataDir = mkdtempSync(join(tmpdir(), 'keyturn-issuer-'))
  const infisical = await startInfisicalDev({ dataDir: join(dataDir, 'infisical') })
  const { projectId, identities } = await seedProject(infisical.url, infisical.adminToken, {
    projectName: 'journal',
    slug: 'journal-keys',
    identities: [
      {
        name: TOKEN_SERVICE,
        privileges: [{ environment: 'prod', paths: folders, actions: ['read'] }],
      },
      {
        name: ROTATOR,
        privileges: [
          {
            environment: 'prod',
            paths: ['/', '/auth', '/auth/**'],
            actions: ['read', 'create', 'edit', 'delete'],
          },
        ],
      },
    ],
  })
  const rotator = identities[ROTATOR]
  const service = identities[TOKEN_SERVICE]
  if (!rotator || !service) throw new Error('both identities were seeded')
  const session = createSession({
    transport: createTransport({ siteUrl: infisical.url }),
    credentials: { method: 'universal-auth', ...rotator },
  })
  const secrets = createSecrets({ session, projectId, environment: 'prod' })
  const { keyring, webhookSecret } = await initialiseLayout({
    secrets,
    alg: 'EdDSA',
    now: nowSeconds(systemClock),
    edges,
  })
  const store = createKeyringStore({ secrets, nowSeconds: () => nowSeconds(systemClock) })

  /** Takes a step as an operator would, whatever a gate would say. */
  async function take(makeStep: () => Promise<Step>): Promise<Keyring> {
    const before = await store.read()
    const at = { policy, now: nowSeconds(systemClock) }
    const after = apply(before.keyring, await makeStep(), at)
    return (await store.write(before, after, 'a test')).keyring
  }

  let stopped: Promise<void> | undefined
  const stopServer = () => {
    stopped ??= infisical.close()
    return stopped
  }

  return {
    url: infisical.url,
    dataDir,
    keyring,
    secrets,
    service,
    webhookSecret,
    pingKey: async () => (await store.readPropagation()).pingKey,
    flip: () =>
      take(async () => ({
        verb: 'flip',
        fresh: await generateFreshKey('EdDSA', nowSeconds(systemClock)),
      })),
    /** The variables of an issuer that reads this store. */
    env: {
      INFISICAL_SERVER_URL: infisical.url,
      INFISICAL_PROJECT_ID: projectId,
      UA_CLIENT_ID_TOKEN_SERVICE: service.clientId,
      UA_CLIENT_SECRET_TOKEN_SERVICE: service.clientSecret,
      KEYTURN_DATABASE: join(dataDir, 'issuer.db'),
    },
    stopServer,
    async stop() {
      session.close()
      await stopServer()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

export type SecretStore = Awaited<ReturnType<typeof startSecretStore>>
