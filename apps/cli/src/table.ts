import { type Paint, printable } from './output.ts'

/** A cell: its text, and how it is painted after it was padded. */
export type Cell = string | readonly [text: string, paint: Paint]

/** Lays rows out in columns, two spaces apart; the last column is not padded. */
export function formatTable(rows: readonly (readonly Cell[])[]): readonly string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, textOf(cell).length)
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const last = column === row.length - 1
        const text = last ? textOf(cell) : textOf(cell).padEnd(widths[column] ?? 0)
        return typeof cell === 'string' ? text : cell[1](text)
      })
      .join('  ')
      .trimEnd(),
  )
}

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell[0])
}
