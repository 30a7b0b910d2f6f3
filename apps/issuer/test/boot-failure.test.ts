import { InfisicalError } from '@keyturn/infisical'
import { describe, expect, it } from 'vitest'
import { during, explainBootFailure, explainProblems } from '../src/boot-failure.ts'

const attempt = {
  siteUrl: 'https://app.infisical.com',
  credentials: { method: 'universal-auth', clientId: 'id', clientSecret: 'a secret \n' },
} as const

const failureOf = (what: string, cause: unknown) =>
  during(what, () => Promise.reject(cause)).catch((error: unknown) => error)

describe('the explanation of a failed start', () => {
  it('says what was being done, what was expected, the code, and the likely causes in order', async () => {
    const cause = new InfisicalError('invalid_credentials', 'expected credentials that hold')
    const text = explainBootFailure(await failureOf('logging in', cause), attempt)
    const [first, second, ...causes] = text.trimEnd().split('\n')
    expect(first).toBe(
      'keyturn issuer does not start: logging in: expected credentials that hold (invalid_credentials)',
    )
    expect(second).toBe('likely causes:')
    expect(causes[0]).toMatch(/^ {2}1\. .*white space/)
    expect(causes.length).toBeGreaterThan(1)
    expect(text).not.toContain('a secret')
    expect(text.endsWith('\n')).toBe(true)
  })

  it('shows no stack and no causes where none are known', async () => {
    const text = explainBootFailure(await failureOf('listening', new Error('EACCES')), attempt)
    expect(text).toBe('keyturn issuer does not start: listening: EACCES\n')
  })

  it('does not repeat a message that holds the one below', () => {
    const error = new Error('opening x: disk full', { cause: new Error('disk full') })
    expect(explainBootFailure(error, attempt)).toBe(
      'keyturn issuer does not start: opening x: disk full\n',
    )
  })

  it('survives what is no error', () => {
    expect(explainBootFailure('text', attempt)).toContain('unknown error')
  })

  it('lists the problems of the environment, one in each line', () => {
    expect(explainProblems(['A is required', 'B is a number'])).toBe(
      'keyturn issuer does not start: its environment is not complete\n  A is required\n  B is a number\n',
    )
  })
})
