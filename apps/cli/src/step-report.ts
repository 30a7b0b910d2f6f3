import type { Seconds } from '@keyturn/auth-core'
import { type Keyring, statusOf, type Verb } from '@keyturn/auth-core/signing'
import type { Context } from './context.ts'
import type { Verdict } from './propagate.ts'
import { formatTable } from './table.ts'
import { formatInstant } from './times.ts'

/** A step, or the finding that there is none to take. */
export interface StepReport {
  readonly verb: Verb
  /** Whether something was written. */
  readonly changed: boolean
  /** What happened, for people. */
  readonly lines: readonly string[]
  readonly keyring: Keyring
  readonly verdicts: readonly Verdict[]
  /** What programs learn beside that. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Prints what a step did, which keys there are now, and who acknowledged them. */
export function reportStep(
  { output }: Context,
  { verb, changed, lines, keyring, verdicts, data }: StepReport,
): void {
  const { style } = output
  const rows = verdicts.map(({ name, holds, detail }) => [
    holds ? (['ok', style.good] as const) : (['late', style.wait] as const),
    name,
    detail,
  ])
  output.result([...lines, ...formatTable(rows)], {
    verb,
    changed,
    revision: keyring.revision,
    keys: keyring.keys.map(({ kid }) => keyData(keyring, kid)),
    deliveries: verdicts,
    ...data,
  })
}

/** A key of a keyring for programs; instants in ISO 8601, `null` where something has not happened. */
export function keyData(keyring: Keyring, kid: string): Readonly<Record<string, unknown>> {
  const jwk = keyring.keys.find((key) => key.kid === kid)?.jwk
  return {
    kid,
    status: statusOf(keyring, kid),
    alg: jwk?.alg,
    staged_at: instantOrNull(jwk?.iat),
    signs_since: instantOrNull(jwk?.nbf),
    ends_at: instantOrNull(jwk?.exp),
  }
}

function instantOrNull(at: Seconds | undefined): string | null {
  return at === undefined ? null : formatInstant(at)
}
