import type { Context } from './context.ts'
import type { ExitCode } from './exit-codes.ts'

/** What a command does. It answers with an exit code where that is not 0. */
export type Verb<O> = (
  context: Context,
  options: O,
  args: readonly string[],
) => Promise<ExitCode | undefined>

/**
 * Turns the loader of a verb into the action of a command: what a verb needs is imported only when
 * it runs, so that help is fast.
 */
export type ActionOf = <O>(
  load: () => Promise<Verb<O>>,
) => (...args: readonly unknown[]) => Promise<void>
