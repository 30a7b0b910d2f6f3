import type { Clock } from '@keyturn/auth-core'
import { nowSeconds } from '@keyturn/auth-core'
import { z } from 'zod'
import type { ClientStore } from '../storage/storage.ts'
import type { Client } from './client.ts'
import { digestSecret, generateClientId, generateSecret } from './secret.ts'

const unique = (values: readonly string[]) => new Set(values).size === values.length

/** What is said of a client that is to be registered. */
export const newClient = z.strictObject({
  name: z.string().trim().min(1).max(200),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'is a scope token (RFC 6749 3.3)'))
    .max(200)
    .refine(unique, 'every scope is there once')
    .default([]),
  audiences: z
    .array(z.string().regex(/^[\x21-\x7e]{1,500}$/, 'is printable ASCII without spaces'))
    .min(1)
    .max(50)
    .refine(unique, 'every audience is there once'),
})

/** A client that was just registered. Its secret exists here and nowhere else. */
export interface RegisteredClient {
  readonly client: Client
  readonly secret: string
}

/** Registers a client with a generated id and secret; only the secret's digest is stored. */
export async function registerClient(
  wanted: z.infer<typeof newClient>,
  { clients, clock }: { readonly clients: ClientStore; readonly clock: Clock },
): Promise<RegisteredClient> {
  const createdAt = nowSeconds(clock)
  const client: Client = { clientId: generateClientId(), ...wanted, createdAt }
  const secret = generateSecret()
  await clients.add(client, { sha256: digestSecret(secret), createdAt })
  return { client, secret }
}
