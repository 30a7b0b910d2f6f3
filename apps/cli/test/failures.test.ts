import { AuthError } from '@keyturn/auth-core'
import { InfisicalError } from '@keyturn/infisical'
import { describe, expect, it } from 'vitest'
import { CliError, usageError } from '../src/cli-error.ts'
import { toCliError } from '../src/failures.ts'

const facts = {
  now: 1_000,
  variables: {
    INFISICAL_PROJECT_ID: 'p',
    INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: 'id ',
    INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: 'the secret itself',
  },
}

describe('toCliError', () => {
  it.each([
    [new InfisicalError('unreachable', 'm'), 4],
    [new InfisicalError('invalid_credentials', 'm'), 4],
    [new InfisicalError('forbidden', 'm'), 4],
    [new InfisicalError('not_found', 'm'), 2],
    [new InfisicalError('invalid_config', 'm'), 2],
    [new InfisicalError('moved', 'm'), 5],
    [new InfisicalError('conflict', 'm'), 5],
    [new InfisicalError('approval_required', 'm'), 6],
    [new AuthError('policy_invalid', 'm'), 2],
    [new AuthError('keyring_invalid', 'm'), 3],
    [new AuthError('step_refused', 'm'), 3],
    [new AuthError('claims_invalid', 'm'), 1],
    [new Error('m'), 1],
    ['no error', 1],
  ])('gives %s the exit code %d', (error, exit) => {
    expect(toCliError(error, facts).exit).toBe(exit)
  })

  it('passes an error that is ready on as it is', () => {
    const error = usageError('what', 'next')
    expect(toCliError(error, facts)).toBe(error)
  })

  it('names likely causes from the configuration, and never shows a credential', () => {
    const failure = toCliError(new InfisicalError('invalid_credentials', 'm'), facts)
    expect(failure.why.join('\n')).toContain('the client id has white space')
    expect(JSON.stringify(failure)).not.toContain('the secret itself')
  })

  it('keeps the cause, and shows instants as such', () => {
    const error = new AuthError('step_refused', 'it ended', { kid: 'k', endsAt: 1_060 })
    const failure = toCliError(error, facts)
    expect(failure.cause).toBe(error)
    expect(failure.why).toContain('endsAt: 1970-01-01T00:17:40Z (in 1 min)')
    expect(failure).toBeInstanceOf(CliError)
  })
})
