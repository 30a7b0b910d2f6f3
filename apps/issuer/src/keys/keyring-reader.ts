import type { Keyring, PrivateJwk, Revocation } from '@keyturn/auth-core/signing'

/** A place that is told when keys change. */
export interface Edge {
  readonly name: string
  /** Base URL without a final slash; pings go to `/internal/rotation` under it. */
  readonly url: string
}

/** Whom to ping, with which key, and which webhooks to believe. */
export interface Propagation {
  readonly edges: readonly Edge[]
  readonly pingKey?: PrivateJwk
  readonly webhookSecrets: readonly string[]
}

/** One good read of the keyring. */
export interface KeyringRead {
  readonly keyring: Keyring
  /** What was missing in a document edited by hand and has been filled in. */
  readonly notes: readonly string[]
  /** Absent where it could not be read: keys turn without it, only later. */
  readonly propagation?: Propagation
}

/** Where the keyring is read from. Rejections carry a `code` and never a secret. */
export interface KeyringReader {
  read(): Promise<KeyringRead>
  /** What is revoked, by itself: it counts even where the keyring beside it is broken. */
  readRevocations(): Promise<readonly Revocation[]>
}
