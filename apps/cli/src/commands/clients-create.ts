import { EXIT } from '../exit-codes.ts'
import { requestAdmin } from '../issuer-client.ts'
import { printable } from '../output.ts'
import type { Verb } from '../verb.ts'

/** What a client is registered with. */
export interface ClientOptions {
  readonly name: string
  readonly audience: readonly string[]
  readonly scope?: readonly string[]
}

/** Registers a client and prints its secret, which nobody can read again. */
export const createClient: Verb<ClientOptions> = async (context, options) => {
  const data = {
    name: options.name,
    scopes: options.scope ?? [],
    audiences: options.audience,
  }
  const client = await requestAdmin(context, '/admin/clients', { method: 'POST', data })
  context.output.result(
    [
      `client_id:     ${printable(String(client.client_id))}`,
      `client_secret: ${printable(String(client.client_secret))}`,
    ],
    client,
  )
  context.output.progress('the secret is shown this once: put it where the client reads it')
  return EXIT.ok
}
