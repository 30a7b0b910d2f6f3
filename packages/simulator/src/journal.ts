import { createHash } from 'node:crypto'

/** What happened, as one line each: the last lines for a failing run, a digest for comparing runs. */
export interface Journal {
  note(line: string): void
  last(): readonly string[]
  /** SHA-256 of every line so far, in hexadecimal. Equal seeds have equal digests. */
  digest(): string
}

const KEPT = 80

/** Makes an empty journal; every line bears the true time since `startMs`. */
export function createJournal(nowMs: () => number): Journal {
  const startMs = nowMs()
  const sha = createHash('sha256')
  let lines: string[] = []
  return {
    note(text) {
      const line = `+${((nowMs() - startMs) / 1000).toFixed(3)} s ${text}`
      sha.update(`${line}\n`)
      lines.push(line)
      if (lines.length > 2 * KEPT) lines = lines.slice(-KEPT)
    },
    last: () => lines.slice(-KEPT),
    digest: () => sha.copy().digest('hex'),
  }
}
