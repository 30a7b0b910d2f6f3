import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '@keyturn/auth-core'
import { nowSeconds } from '@keyturn/auth-core'
import { z } from 'zod'
import { type Client, LIVE_SECRETS } from '../clients/client.ts'
import { migrate } from './migrations.ts'
import type { ClientStore, Storage, StoredClient } from './storage.ts'

/** How long a write waits for another process before it fails. */
const BUSY_TIMEOUT_MS = 5_000

const stringList = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.array(z.string()))

const clientRow = z
  .object({
    client_id: z.string(),
    name: z.string(),
    scopes: stringList,
    audiences: stringList,
    created_at: z.number(),
    disabled_at: z.number().nullable(),
  })
  .transform(
    (row): Client => ({
      clientId: row.client_id,
      name: row.name,
      scopes: row.scopes,
      audiences: row.audiences,
      createdAt: row.created_at,
      ...(row.disabled_at !== null && { disabledAt: row.disabled_at }),
    }),
  )

const secretRow = z
  .object({ sha256: z.instanceof(Uint8Array), created_at: z.number() })
  .transform(({ sha256, created_at }) => ({ sha256, createdAt: created_at }))

/**
 * Opens the embedded storage: one SQLite file, or `:memory:`.
 *
 * Every commit is on the disk when it is answered (write-ahead log, `synchronous = FULL`). A new file
 * is readable by its owner only. Calls run on the calling thread; the file belongs on a local disk,
 * since SQLite's locks do not hold on network file systems.
 *
 * @throws {Error} with the path and the cause, where it does not open or has a newer schema
 */
export function openSqlite(path: string, clock: Clock): Storage {
  const db = open(path, clock)
  return {
    clients: createClientStore(db),
    check: async () => {
      db.exec('BEGIN IMMEDIATE')
      db.exec('ROLLBACK')
    },
    close: async () => db.close(),
  }
}

function open(path: string, clock: Clock): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    db.exec('PRAGMA journal_mode = WAL')
    db.exec('PRAGMA synchronous = FULL')
    migrate(db, nowSeconds(clock))
    return db
  } catch (cause) {
    db?.close()
    const why = cause instanceof Error ? cause.message : 'unknown error'
    throw new Error(`opening the database ${path}: ${why}`, { cause })
  }
}

function createClientStore(db: DatabaseSync): ClientStore {
  const insertClient = db.prepare(
    `INSERT INTO clients (client_id, name, scopes, audiences, created_at, disabled_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
  )
  const insertSecret = db.prepare(
    'INSERT INTO client_secrets (client_id, slot, sha256, created_at) VALUES (?, 0, ?, ?)',
  )
  const selectClient = db.prepare('SELECT * FROM clients WHERE client_id = ?')
  const selectSecrets = db.prepare(
    `SELECT sha256, created_at FROM client_secrets
     WHERE client_id = ? ORDER BY created_at DESC, slot LIMIT ${LIVE_SECRETS}`,
  )
  const selectAll = db.prepare('SELECT * FROM clients ORDER BY created_at, rowid')
  const updateDisabled = db.prepare(
    'UPDATE clients SET disabled_at = coalesce(disabled_at, ?) WHERE client_id = ?',
  )

  return {
    async add(client, secret) {
      transaction(db, () => {
        insertClient.run(
          client.clientId,
          client.name,
          JSON.stringify(client.scopes),
          JSON.stringify(client.audiences),
          client.createdAt,
          client.disabledAt ?? null,
        )
        insertSecret.run(client.clientId, secret.sha256, secret.createdAt)
      })
    },
    async find(clientId): Promise<StoredClient | undefined> {
      const row = selectClient.get(clientId)
      // Both queries run for an unknown id too, so that it costs the same.
      const secrets = selectSecrets.all(clientId)
      if (!row) return undefined
      return { client: clientRow.parse(row), secrets: secrets.map((one) => secretRow.parse(one)) }
    },
    async list() {
      return selectAll.all().map((row) => clientRow.parse(row))
    },
    async disable(clientId, at) {
      return updateDisabled.run(at, clientId).changes > 0
    },
  }
}

function transaction(db: DatabaseSync, run: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    run()
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}
