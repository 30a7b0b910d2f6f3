import { createKeySource, type PublicJwks, type Seconds, verifyPing } from '@keyturn/auth-core'
import {
  apply,
  gate,
  type Policy,
  parseKeyring,
  plan,
  publishJwks,
  retireObstacles,
} from '@keyturn/auth-core/signing'

/**
 * The rules that a simulation runs: auth-core's own functions, and the two that stand outside of it.
 * They are handed in so that a test can break one of them and show that the simulation notices.
 */
export interface Rules {
  readonly plan: typeof plan
  readonly apply: typeof apply
  readonly gate: typeof gate
  readonly retireObstacles: typeof retireObstacles
  readonly parseKeyring: typeof parseKeyring
  readonly publishJwks: typeof publishJwks
  readonly createKeySource: typeof createKeySource
  readonly verifyPing: typeof verifyPing
  /** S: whether an issuer process may sign, this long after it confirmed the newest revision. */
  maySign(unconfirmedForMs: number, policy: Policy): boolean
  /** The kids that the hub denies after a ping: those of its document. */
  denied(kids: readonly string[], jwks: PublicJwks): readonly string[]
}

/** The rules as they are. */
export const RULES: Rules = {
  plan,
  apply,
  gate,
  retireObstacles,
  parseKeyring,
  publishJwks,
  createKeySource,
  verifyPing,
  maySign: (unconfirmedForMs, { confirmationAge }) => unconfirmedForMs <= confirmationAge * 1000,
  denied: (kids, { keys }) => kids.filter((kid) => keys.some((key) => key.kid === kid)),
}

/** Whole seconds as milliseconds. */
export function ms(seconds: Seconds): number {
  return seconds * 1000
}
