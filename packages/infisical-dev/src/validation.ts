import { z } from 'zod'

import { refuse, type ValidationEntry } from './errors.ts'

type Issue = z.core.$ZodIssue

/**
 * Parses what a request brought.
 *
 * @throws {ApiError} 401 ValidationFailure, worded as zod 3 does, which the recorded server uses
 */
export function validate<Out>(schema: z.ZodType<Out>, input: unknown): Out {
  const result = schema.safeParse(input, { reportInput: true })
  if (result.success) return result.data
  throw refuse.validation(result.error.issues.map(recordedEntry))
}

/** `"true"` or `"false"` in a query; absent means false. */
export const queryFlag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((flag) => flag === 'true')

/** A folder path, without a slash at its end; absent means the root. */
export const folderPath = z
  .string()
  .trim()
  .default('/')
  .transform((path) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path))

function recordedEntry(issue: Issue): ValidationEntry {
  if (issue.code === 'invalid_type') return invalidType(issue.expected, issue.input, issue.path)
  if (issue.code === 'invalid_value') {
    if (issue.input === undefined) return invalidType('string', undefined, issue.path)
    const options = issue.values.map((value) => `'${String(value)}'`).join(' | ')
    return {
      received: issue.input,
      code: 'invalid_enum_value',
      options: issue.values,
      path: issue.path,
      message: `Invalid enum value. Expected ${options}, received '${String(issue.input)}'`,
    }
  }
  if (issue.code === 'too_small' && issue.origin === 'string') {
    return {
      code: 'too_small',
      minimum: issue.minimum,
      type: 'string',
      inclusive: true,
      exact: false,
      message: `String must contain at least ${issue.minimum} character(s)`,
      path: issue.path,
    }
  }
  return { code: issue.code, path: issue.path, message: issue.message }
}

function invalidType(expected: string, input: unknown, path: Issue['path']): ValidationEntry {
  const received = receivedType(input)
  const message =
    received === 'undefined' ? 'Required' : `Expected ${expected}, received ${received}`
  return { code: 'invalid_type', expected, received, path, message }
}

function receivedType(input: unknown): string {
  if (input === null) return 'null'
  if (Array.isArray(input)) return 'array'
  if (Number.isNaN(input)) return 'nan'
  return typeof input
}
