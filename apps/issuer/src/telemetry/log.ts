import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/** Makes the log: one JSON object per line, with reason codes; no token, secret or header is passed to it. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = { level, base: { service: 'keyturn-issuer' } }
  return destination ? pino(options, destination) : pino(options)
}

/** What the log may know of an error: codes and messages, which hold no secret, down the causes. */
export interface DescribedError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly cause?: DescribedError
}

const MAX_CAUSES = 4

/** Describes anything that was thrown, without its stack and without unknown members. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { name: 'unknown', message: 'not an error object' }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const cause = depth < MAX_CAUSES && error.cause !== undefined ? error.cause : undefined
  return {
    name: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(cause !== undefined && { cause: describeError(cause, depth + 1) }),
  }
}
