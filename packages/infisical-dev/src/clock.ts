/** Where the server reads the time, so that a test can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
}

/** The clock of the machine. */
export const systemClock: Clock = { nowMs: () => Date.now() }
