/** Says what happens. Colour only on a terminal. */
export interface Narrator {
  heading(text: string): void
  /** One line with the seconds since the start. */
  say(text: string): void
  /** A line that something was as it should be, or not. */
  verdict(holds: boolean, text: string): void
  plain(text: string): void
  table(rows: readonly (readonly string[])[]): void
}

/** Makes a narrator that writes to `write`, line by line. */
export function createNarrator({
  write,
  colour,
  nowMs,
}: {
  readonly write: (line: string) => void
  readonly colour: boolean
  readonly nowMs: () => number
}): Narrator {
  const startedMs = nowMs()
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  const seconds = () => paint(2, `${((nowMs() - startedMs) / 1000).toFixed(1).padStart(5)} s`)
  return {
    heading: (text) => write(`\n${paint(1, text)}`),
    say: (text) => write(`${seconds()}  ${text}`),
    verdict: (holds, text) =>
      write(`${seconds()}  ${holds ? paint(32, 'ok  ') : paint(31, 'FAIL')} ${text}`),
    plain: write,
    table: (rows) => {
      for (const line of formatTable(rows)) write(line)
    },
  }
}

/** Columns as wide as their widest cell; numbers to the right. */
export function formatTable(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return /^[\d.]+( m?s)?$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
