import { EXIT, type ExitCode } from './exit-codes.ts'

/** What a failed command tells: what happened, why, and what to type next. */
export interface CliErrorFacts {
  /** One line per reason or likely cause. */
  readonly why?: readonly string[]
  /** What to do or type next, one line per way. */
  readonly next?: readonly string[]
  /** Facts for programs, which join the error with `--json`. */
  readonly data?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * A failure that is ready to be shown. `code` is a stable word for programs, and `exit` the exit
 * code. The message says what happened, in lower case, and never holds a token, a secret or a key.
 */
export class CliError extends Error {
  /** The name of the exit code. */
  readonly outcome: keyof typeof EXIT
  readonly exit: ExitCode
  readonly code: string
  readonly why: readonly string[]
  readonly next: readonly string[]
  readonly data: Readonly<Record<string, unknown>>

  constructor(
    outcome: keyof typeof EXIT,
    code: string,
    message: string,
    { why = [], next = [], data = {}, cause }: CliErrorFacts = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CliError'
    this.outcome = outcome
    this.exit = EXIT[outcome]
    this.code = code
    this.why = why
    this.next = next
    this.data = data
  }
}

/** A wrong or incomplete command line or configuration. */
export function usageError(message: string, ...next: readonly string[]): CliError {
  return new CliError('usage', 'usage', message, { next })
}
