import type { DatabaseSync } from 'node:sqlite'

interface Migration {
  readonly name: string
  readonly sql: string
}

/** Forward only; a migration that was released is never edited. The version is the place here. */
const MIGRATIONS: readonly Migration[] = [
  {
    name: 'clients with up to two live secrets',
    sql: `
      CREATE TABLE clients (
        client_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL CHECK (json_valid(scopes)),
        audiences TEXT NOT NULL CHECK (json_valid(audiences)),
        created_at INTEGER NOT NULL,
        disabled_at INTEGER
      ) STRICT;
      CREATE TABLE client_secrets (
        client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
        slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
        sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (client_id, slot)
      ) STRICT, WITHOUT ROWID;`,
  },
]

/**
 * Brings a database to the newest schema, in one transaction that other processes wait for.
 *
 * @throws {Error} for a database that a newer release has migrated; it is left as it is
 */
export function migrate(db: DatabaseSync, nowSeconds: number): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    db.exec(`
      CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        applied_at INTEGER NOT NULL
      ) STRICT`)
    const version = schemaVersion(db)
    if (version > MIGRATIONS.length) {
      throw new Error(
        `the database has schema ${version}, this release knows ${MIGRATIONS.length}: start a newer release`,
      )
    }
    const record = db.prepare('INSERT INTO schema_migrations VALUES (?, ?, ?)')
    for (const [index, { name, sql }] of MIGRATIONS.slice(version).entries()) {
      db.exec(sql)
      record.run(version + index + 1, name, nowSeconds)
    }
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

function schemaVersion(db: DatabaseSync): number {
  const row = db.prepare('SELECT max(version) AS version FROM schema_migrations').get()
  return Number(row?.version ?? 0)
}
