import type { Clock } from '@keyturn/auth-core'
import type { KeyringStore, Secrets, Webhooks } from '@keyturn/infisical'
import type { Fetch } from './http.ts'
import type { Output } from './output.ts'
import type { Settings, Variables } from './settings.ts'

/** Infisical, seen by the identity that the environment names. */
export interface Infisical {
  readonly siteUrl: string
  readonly projectId: string
  readonly environment: string
  /** How the identity is named in the comment of a write: never a secret. */
  readonly identity: string
  readonly secrets: Secrets
  readonly store: KeyringStore
  readonly webhooks: Webhooks
}

/** What a command works with. Only `main.ts` makes one from the real world. */
export interface Context {
  readonly output: Output
  readonly settings: Settings
  readonly env: Variables
  /** The working folder. */
  readonly folder: string
  readonly clock: Clock
  readonly fetch: Fetch
  /** Reads standard input to its end. `prompt` is said first where somebody sits at a terminal. */
  readStdin(prompt: string): Promise<string>
  /** Whether somebody sits at a terminal and can be asked. Never with `--json`. */
  readonly isTerminal: boolean
  /** Asks for one line, without the white space around it, where `isTerminal`. */
  ask(question: string): Promise<string>
  /** Logs in to Infisical. @throws {InfisicalError} */
  openInfisical(): Promise<Infisical>
}
