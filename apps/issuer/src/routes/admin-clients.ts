import { type Clock, nowSeconds } from '@keyturn/auth-core'
import { Hono } from 'hono'
import type { Client } from '../clients/client.ts'
import { newClient, registerClient } from '../clients/register.ts'
import type { ClientStore } from '../storage/storage.ts'
import type { Logger } from '../telemetry/log.ts'

export interface AdminClientsDeps {
  readonly clients: ClientStore
  readonly clock: Clock
  readonly log: Logger
}

/** Registers, lists and disables clients. A secret is shown once, when it is made. */
export function adminClients({ clients, clock, log }: AdminClientsDeps): Hono {
  const route = new Hono()

  route.post('/', async function createClient(c) {
    const wanted = newClient.safeParse(await c.req.json().catch(() => undefined))
    if (!wanted.success) {
      const problems = wanted.error.issues.map(({ path, message }) =>
        [path.join('.'), message].filter((part) => part !== '').join(': '),
      )
      return c.json({ error: 'invalid_request', error_description: problems.join('; ') }, 400)
    }
    const { client, secret } = await registerClient(wanted.data, { clients, clock })
    log.info({ client_id: client.clientId }, 'client registered')
    const { client_id, ...described } = describe(client)
    return c.json({ client_id, client_secret: secret, ...described }, 201)
  })
  route.get('/', async function listClients(c) {
    return c.json({ clients: (await clients.list()).map(describe) })
  })
  route.post('/:id/disable', async function disableClient(c) {
    const clientId = c.req.param('id')
    if (!(await clients.disable(clientId, nowSeconds(clock)))) {
      return c.json({ error: 'not_found' }, 404)
    }
    log.info({ client_id: clientId }, 'client disabled')
    return c.body(null, 204)
  })
  return route
}

function describe(client: Client) {
  return {
    client_id: client.clientId,
    name: client.name,
    scopes: client.scopes,
    audiences: client.audiences,
    created_at: client.createdAt,
    ...(client.disabledAt !== undefined && { disabled_at: client.disabledAt }),
  }
}
