/**
 * Writes one structured log line: what happened, as a stable word, and facts about it. Facts hold
 * reason codes, kids and numbers; never a token, a secret or the body of a message.
 */
export type Log = (event: string, facts?: Readonly<Record<string, unknown>>) => void

/** One JSON line on the console, which Workers Logs indexes by member. */
export const consoleLog: Log = (event, facts) => {
  console.log(JSON.stringify({ event, ...facts }))
}
