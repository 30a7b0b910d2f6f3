import { type Clock, nowSeconds } from '@keyturn/auth-core'
import {
  createKeyringStore,
  createSecrets,
  createSession,
  createTransport,
  createWebhooks,
  readInfisicalConfig,
} from '@keyturn/infisical'
import type { Infisical } from './context.ts'
import type { Variables } from './settings.ts'

/**
 * Logs in to Infisical as the identity that the variables name.
 *
 * @throws {InfisicalError} `invalid_config`, and whatever the login throws
 */
export async function connect({
  variables,
  clock,
}: {
  readonly variables: Variables
  readonly clock: Clock
}): Promise<Infisical> {
  const config = readInfisicalConfig(variables, { purpose: 'operator' })
  const { siteUrl, headers, projectId, environment, credentials } = config
  const session = createSession({ transport: createTransport({ siteUrl, headers }), credentials })
  await session.login()
  const view = { session, projectId, environment }
  const secrets = createSecrets(view)
  return {
    siteUrl,
    projectId,
    environment,
    identity:
      credentials.method === 'universal-auth' ? `identity ${credentials.clientId}` : 'a token',
    secrets,
    store: createKeyringStore({ secrets, nowSeconds: () => nowSeconds(clock) }),
    webhooks: createWebhooks(view),
  }
}
