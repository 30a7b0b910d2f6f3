/** Where long-lived objects read the time and wait. Tests pass their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The clock of the machine. A cut-off sleep leaves no timer behind. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = setTimeout(resolve, ms)
      signal?.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    }),
}

/** Runs `task` after `ms` milliseconds unless the returned function is called first. */
export type Schedule = (ms: number, task: () => void) => () => void

/** A schedule of the machine's timers that never keeps a process alive. */
export const backgroundSchedule: Schedule = (ms, task) => {
  const timer = setTimeout(task, ms).unref()
  return () => clearTimeout(timer)
}
