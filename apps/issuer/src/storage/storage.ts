import type { Seconds } from '@keyturn/auth-core'
import type { Client, ClientSecret } from '../clients/client.ts'

/** A client and its live secrets, newest first. */
export interface StoredClient {
  readonly client: Client
  readonly secrets: readonly ClientSecret[]
}

/** The registered clients. What a call has answered is durable. */
export interface ClientStore {
  /** Adds a client with its first secret, both or neither. Rejects where the id is taken. */
  add(client: Client, secret: ClientSecret): Promise<void>
  find(clientId: string): Promise<StoredClient | undefined>
  /** Every client, oldest first. */
  list(): Promise<readonly Client[]>
  /** Answers whether the client exists. The first instant stays where it is disabled already. */
  disable(clientId: string, at: Seconds): Promise<boolean>
}

/** Where the issuer keeps what must survive a restart. Adapters pass one contract suite. */
export interface Storage {
  readonly clients: ClientStore
  /** Rejects where nothing can be written now. */
  check(): Promise<void>
  close(): Promise<void>
}
