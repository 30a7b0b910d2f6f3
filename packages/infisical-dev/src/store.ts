import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

import { schema } from './schema.ts'

/** The data folder's database. Statements are prepared once; every call is synchronous. */
export interface Store {
  /** All rows. `Row` must name the selected columns: the schema is ours, nothing is checked. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[]
  /** The first row, or `undefined`. */
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined
  /** @returns the number of rows changed */
  run(sql: string, ...values: SQLInputValue[]): number
  /** Runs `work` in one transaction: all of its writes are on disk, or none. It may not await. */
  atomically<Result>(work: () => Result): Result
  close(): void
}

/**
 * Opens, or creates, the database of a data folder (mode 700).
 *
 * A commit is on disk before the answer is sent (WAL with `synchronous = FULL`), so that a killed
 * process loses nothing that it acknowledged. Secret values are stored in the clear: this is a
 * server for development and tests.
 */
export function openStore(dataDir: string): Store {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(dataDir, 'infisical.db'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec('PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000')
  database.exec(schema)

  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql)
    if (known) return known
    const statement = database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }

  return {
    // The casts say what the interface says: the caller names the columns that it selected.
    all: <Row>(sql: string, ...values: SQLInputValue[]) => prepare(sql).all(...values) as Row[],
    get: <Row>(sql: string, ...values: SQLInputValue[]) =>
      prepare(sql).get(...values) as Row | undefined,
    run: (sql, ...values) => Number(prepare(sql).run(...values).changes),
    atomically(work) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        database.exec('COMMIT')
        return result
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
    close: () => database.close(),
  }
}
