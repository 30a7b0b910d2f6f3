import { CliError } from './cli-error.ts'
import type { Denial } from './denials.ts'

/** How far a revocation came. */
export interface Progress {
  readonly kids: readonly string[]
  /** What came of the pings. */
  readonly denials: readonly Denial[]
  /** Whether /auth/revoked is known to hold every kid. */
  readonly stored: boolean
  /** The command that finishes it. */
  readonly again: string
}

/** Says of a failure that came after the pings what stands already, and what to run next. */
export function cutOff(failure: CliError, { kids, denials, stored, again }: Progress): CliError {
  const refusing = denials.filter(({ refuses }) => refuses).map(({ name }) => name)
  const what = kids.length === 1 ? `${kids[0]}` : `the ${kids.length} keys`
  const why = stored
    ? [`/auth/revoked holds ${what}: every reader refuses it, and nothing takes that back`]
    : [
        refusing.length > 0
          ? `the pings went out: ${refusing.join(', ')} refuse ${what} from now on`
          : `the pings went out, and nobody answered that it refuses ${what}`,
        'this lapses with the next change of the keys, unless /auth/revoked confirms it by then',
      ]
  // A merged Change Request is the step; a second run would only ask for it again.
  const isFinished = stored && failure.outcome === 'approval'
  return new CliError(
    failure.outcome,
    failure.code,
    stored
      ? 'the revocation stands, and the step that takes it out of the key set does not'
      : 'the revocation went out, and is not known to be in Infisical',
    {
      why: [failure.message, ...failure.why, ...why],
      next: [...failure.next, ...(isFinished ? [] : [again])],
      data: { ...failure.data, kids, stored, denials },
      cause: failure.cause ?? failure,
    },
  )
}
