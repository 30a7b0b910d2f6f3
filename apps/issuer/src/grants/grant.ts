import type { Client } from '../clients/client.ts'
import type { Form } from '../routes/form.ts'

/** What a grant decided: whom the token speaks of, for whom, and with which scopes. */
export interface Granted {
  readonly clientId: string
  /** In the namespace of its kind: `client:<client_id>` for machines. */
  readonly subject: string
  /** At least one. */
  readonly audiences: readonly string[]
  /** Possibly none. */
  readonly scopes: readonly string[]
}

/**
 * One way to get a token. It decides, and mints nothing.
 *
 * It throws {TokenRefusal} with the reasons of its own checks.
 */
export type Grant = (request: { readonly client: Client; readonly form: Form }) => Promise<Granted>
