import { AuthError, type AuthErrorCode, type Seconds } from '@keyturn/auth-core'
import {
  InfisicalError,
  type InfisicalErrorCode,
  isInfisicalError,
  likelyCauses,
  readInfisicalConfig,
} from '@keyturn/infisical'
import { CliError } from './cli-error.ts'
import type { EXIT } from './exit-codes.ts'
import type { Variables } from './settings.ts'
import { formatMoment } from './times.ts'

type Row = readonly [exit: keyof typeof EXIT, what: string, ...next: readonly string[]]

const OF_INFISICAL: Readonly<Record<InfisicalErrorCode, Row>> = {
  unreachable: ['unreachable', 'Infisical cannot be reached'],
  timeout: ['unreachable', 'Infisical does not answer in time'],
  redirected: ['unreachable', 'Infisical redirects, which is never followed'],
  access_blocked: ['unreachable', 'Cloudflare answers in place of Infisical'],
  not_json: ['unreachable', 'something else answers in place of Infisical'],
  unexpected_answer: ['unreachable', 'the answer of Infisical is not understood'],
  invalid_credentials: ['unreachable', 'Infisical refuses the login'],
  locked: ['unreachable', 'Infisical has locked the identity for a while'],
  untrusted_ip: ['unreachable', 'Infisical refuses the login from this address'],
  token_lost: ['unreachable', 'Infisical does not accept the access token'],
  forbidden: [
    'unreachable',
    'Infisical does not permit this to the identity',
    'run this as an identity that may, such as rotator@ops within its window',
  ],
  not_found: ['usage', 'it is not in Infisical', 'keyturn init'],
  conflict: ['moved', 'somebody else created it at the same time', 'run the command again'],
  invalid_request: ['unexpected', 'Infisical does not understand the request'],
  rate_limited: ['unreachable', 'Infisical asks for fewer requests', 'try again in a minute'],
  server_error: ['unreachable', 'Infisical fails'],
  approval_required: [
    'approval',
    'the write waits for the approval of a Change Request, and nothing changed yet',
    'have it approved and merged, then run keyturn keys check',
  ],
  moved: ['moved', 'the keyring has moved, and nothing was written', 'keyturn keys status'],
  invalid_config: [
    'usage',
    'the configuration for Infisical is incomplete or wrong',
    'set the variables that the README names, or pass --project-id, --env and --domain',
  ],
  webhook_invalid: ['unexpected', 'the webhook is not understood'],
  session_closed: ['unexpected', 'the session has ended'],
  sdk_unsupported: ['unexpected', 'this version of @infisical/sdk is not supported'],
}

const OF_CORE: ReadonlyMap<AuthErrorCode, Row> = new Map([
  ['policy_invalid', ['usage', 'the policy is refused', 'mend KEYTURN_POLICY']],
  ['keyring_invalid', ['refused', 'the keyring in Infisical is broken', 'mend it in Infisical']],
  ['step_refused', ['refused', 'the step is refused, and nothing changed', 'keyturn keys status']],
  ['jwk_invalid', ['refused', 'a key in Infisical is broken', 'mend it in Infisical']],
] as const)

/** What a failure is told with. */
export interface FailureFacts {
  readonly now: Seconds
  /** The variables that Infisical was configured with, to name the likely causes. */
  readonly variables: Variables
}

/** Turns whatever a command threw into a failure that can be shown. */
export function toCliError(error: unknown, facts: FailureFacts): CliError {
  if (error instanceof CliError) return error
  if (error instanceof InfisicalError) return ofInfisical(error, facts)
  if (error instanceof AuthError) return ofCore(error, facts)
  const message = error instanceof Error ? error.message : 'something that is no error was thrown'
  return new CliError('unexpected', 'unexpected', message, {
    next: ['run it again with --verbose, and report what it shows'],
    cause: error,
  })
}

function ofInfisical(error: InfisicalError, { variables }: FailureFacts): CliError {
  const [exit, what, ...next] = OF_INFISICAL[error.code]
  return new CliError(exit, error.code, what, {
    why: [error.message, ...causesOf(error, variables)],
    next,
    cause: error,
  })
}

function causesOf(error: InfisicalError, variables: Variables): readonly string[] {
  try {
    return likelyCauses(error, readInfisicalConfig(variables, { purpose: 'operator' }))
  } catch (incomplete) {
    // The error was about the configuration, and names what is wrong with it.
    if (isInfisicalError(incomplete, 'invalid_config')) return []
    throw incomplete
  }
}

function ofCore(error: AuthError, { now }: FailureFacts): CliError {
  const [exit, what, ...next] = OF_CORE.get(error.code) ?? ['unexpected', 'a rule does not hold']
  return new CliError(exit, error.code, what, {
    why: [`expected that ${error.message}`, ...factsOf(error, now)],
    next,
    cause: error,
  })
}

/** The facts of an error that name instants (`…At`) are shown as such. */
function factsOf({ details }: AuthError, now: Seconds): readonly string[] {
  return Object.entries(details).map(([name, value]) =>
    name.endsWith('At') && typeof value === 'number'
      ? `${name}: ${formatMoment(value, now)}`
      : `${name}: ${String(value)}`,
  )
}
