import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '@keyturn/auth-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openSqlite } from '../src/storage/sqlite.ts'
import { storageContract } from './storage-contract.ts'
import { addClient } from './world.ts'

let folder: string
const file = () => join(folder, 'keyturn.db')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-sqlite-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

storageContract('SQLite in a file', async () => openSqlite(file(), systemClock))
storageContract('SQLite in memory', async () => openSqlite(':memory:', systemClock))

describe('the SQLite file', () => {
  it('keeps what was added when it is opened again', async () => {
    const first = openSqlite(file(), systemClock)
    const added = await addClient(first)
    await first.close()
    const second = openSqlite(file(), systemClock)
    expect((await second.clients.find(added.clientId))?.client).toEqual(added)
    await second.close()
  })

  it('is readable by its owner only and holds no secret', async () => {
    const storage = openSqlite(file(), systemClock)
    await addClient(storage, {}, 'a-secret-in-plain-text')
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    const db = new DatabaseSync(file(), { readOnly: true })
    const dump = JSON.stringify(db.prepare('SELECT hex(sha256) FROM client_secrets').all())
    expect(dump).not.toContain(Buffer.from('a-secret-in-plain-text').toString('hex').toUpperCase())
    db.close()
    await storage.close()
  })

  it('commits durably: a write-ahead log, synchronised at every commit', async () => {
    // `synchronous` belongs to the connection: from outside, only the statement can be seen.
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec')
    const storage = openSqlite(file(), systemClock)
    expect(exec).toHaveBeenCalledWith('PRAGMA synchronous = FULL')
    exec.mockRestore()
    await storage.close()
    const db = new DatabaseSync(file())
    expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    db.close()
  })

  it('takes two live secrets of one client and refuses a third', async () => {
    const storage = openSqlite(file(), systemClock)
    await addClient(storage)
    const db = new DatabaseSync(file())
    const add = db.prepare('INSERT INTO client_secrets VALUES (?, ?, ?, ?)')
    add.run('orders', 1, new Uint8Array(32), 1_795_000_001)
    expect(() => add.run('orders', 2, new Uint8Array(32), 1)).toThrow(/CHECK/)
    expect(() => add.run('orders', 1, new Uint8Array(32), 1)).toThrow(/UNIQUE/)
    expect(() => add.run('nobody', 0, new Uint8Array(32), 1)).toThrow(/FOREIGN KEY/)
    expect((await storage.clients.find('orders'))?.secrets).toHaveLength(2)
    db.close()
    await storage.close()
  })

  it('is refused, and left as it is, where a newer release has migrated it', async () => {
    await openSqlite(file(), systemClock).close()
    const db = new DatabaseSync(file())
    db.prepare('INSERT INTO schema_migrations VALUES (99, ?, 1)').run('of the future')
    db.close()
    expect(() => openSqlite(file(), systemClock)).toThrow(/schema 99.*newer release/)
    const again = new DatabaseSync(file())
    expect(again.prepare('SELECT count(*) AS n FROM schema_migrations').get()).toEqual({ n: 2 })
    again.close()
  })

  it('is migrated once when several processes open it', async () => {
    const storages = [1, 2, 3].map(() => openSqlite(file(), systemClock))
    const db = new DatabaseSync(file())
    expect(db.prepare('SELECT count(*) AS n FROM schema_migrations').get()).toEqual({ n: 1 })
    db.close()
    for (const storage of storages) await storage.close()
  })

  it('is named in the error where it cannot be opened', () => {
    const missing = join(folder, 'no', 'such', 'folder.db')
    expect(() => openSqlite(missing, systemClock)).toThrow(`opening the database ${missing}`)
  })
})
