import { type AttemptContext, likelyCauses } from '@keyturn/infisical'

/** Names what was being done when an error came, for whoever reads why the process did not start. */
export async function during<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    throw new Error(what, { cause })
  }
}

/**
 * Says why the process does not start: what it was doing, what was expected, and the likely causes
 * of a refusal by Infisical. There is no stack, and nothing in it is secret.
 */
export function explainBootFailure(error: unknown, attempt: AttemptContext): string {
  const chain = causesOf(error)
  const code = chain.map((one) => ('code' in one ? String(one.code) : undefined)).find(Boolean)
  const messages = chain.map(({ message }) => message)
  const causes = chain.flatMap((one) => likelyCauses(one, attempt))
  return [
    `keyturn issuer does not start: ${messages.join(': ')}${code ? ` (${code})` : ''}`,
    ...(causes.length > 0 ? ['likely causes:'] : []),
    ...causes.map((cause, index) => `  ${index + 1}. ${cause}`),
    '',
  ].join('\n')
}

/** Says everything that is wrong with the environment at once. */
export function explainProblems(problems: readonly string[]): string {
  return ['keyturn issuer does not start: its environment is not complete', ...problems, '']
    .join('\n  ')
    .trimEnd()
    .concat('\n')
}

/** An error and those below it, without repeating a message that already holds the one below. */
function causesOf(error: unknown): readonly Error[] {
  if (!(error instanceof Error)) return [new Error('unknown error')]
  const { cause } = error
  if (!(cause instanceof Error) || error.message.includes(cause.message)) return [error]
  return [error, ...causesOf(cause)]
}
