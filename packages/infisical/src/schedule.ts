/** Runs `task` after `ms` milliseconds unless the returned function is called first. */
export type Schedule = (ms: number, task: () => void) => () => void

/** A schedule of the machine's timers that never keeps a process alive. */
export const backgroundSchedule: Schedule = (ms, task) => {
  const timer = setTimeout(task, ms).unref()
  return () => clearTimeout(timer)
}
