/**
 * How a command ended, for scripts. The numbers are stable: a new outcome gets a new number.
 *
 * | code | name | meaning |
 * |---|---|---|
 * | 0 | ok | done, or there was nothing to do |
 * | 1 | unexpected | an error that has no name here |
 * | 2 | usage | the command line or the configuration is incomplete or wrong |
 * | 3 | refused | a rule or the gate says no; nothing changed |
 * | 4 | unreachable | somebody needed could not be reached, or did not let us in |
 * | 5 | moved | somebody else wrote at the same time; nothing changed |
 * | 6 | approval | the write waits for the approval of a Change Request |
 */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  moved: 5,
  approval: 6,
} as const

/** One of the numbers of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each number means, in the words of the help. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  [EXIT.ok]: 'done, or nothing to do',
  [EXIT.unexpected]: 'unexpected error',
  [EXIT.usage]: 'wrong or incomplete command line or configuration',
  [EXIT.refused]: 'refused by a rule or the gate, nothing changed',
  [EXIT.unreachable]: 'could not reach it or log in',
  [EXIT.moved]: 'somebody else wrote at the same time, nothing changed',
  [EXIT.approval]: 'waiting for the approval of a Change Request',
}
