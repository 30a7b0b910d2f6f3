import type { Seconds } from '@keyturn/auth-core'

/** A program that may ask for tokens. */
export interface Client {
  readonly clientId: string
  /** For people; tokens do not carry it. */
  readonly name: string
  /** The scopes it may ask for, and gets where it asks for none. */
  readonly scopes: readonly string[]
  /** The audiences its tokens may name, at least one. */
  readonly audiences: readonly string[]
  readonly createdAt: Seconds
  /** Since when it gets no tokens. Absent: it does. */
  readonly disabledAt?: Seconds
}

/** A live secret of a client: never the secret, only its SHA-256. */
export interface ClientSecret {
  readonly sha256: Uint8Array
  readonly createdAt: Seconds
}

/** How many secrets of one client may be live at once, so that a secret can turn. */
export const LIVE_SECRETS = 2
