import { randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Clock } from './clock.ts'
import type { Store } from './store.ts'
import { signToken } from './tokens.ts'

/** What a data folder gets at its first start and keeps. */
export interface Settings {
  /** Signs access tokens; it stays the same, so that tokens outlive a restart. */
  readonly signingSecret: string
  readonly organizationId: string
  /** The bearer token of the one user, who may do everything. It does not expire. */
  readonly adminToken: string
}

/** The file in the data folder that holds the admin token. */
export const adminTokenFile = 'admin-token'

/** Reads the settings of a data folder, and writes its admin token (mode 600) beside the database. */
export function loadSettings(store: Store, clock: Clock, dataDir: string): Settings {
  const settings = store.atomically(() => {
    const setting = (name: string, create: () => string): string => {
      store.run('INSERT OR IGNORE INTO settings VALUES (?, ?)', name, create())
      const row = store.get<{ value: string }>('SELECT value FROM settings WHERE name = ?', name)
      if (!row) throw new Error(`reading setting ${name}: no such row`)
      return row.value
    }
    const signingSecret = setting('signing_secret', () => randomBytes(32).toString('hex'))
    const organizationId = setting('organization_id', randomUUID)
    const adminToken = setting('admin_token', () =>
      signToken(
        {
          authTokenType: 'accessToken',
          userId: randomUUID(),
          organizationId,
          iat: Math.floor(clock.nowMs() / 1000),
        },
        signingSecret,
      ),
    )
    return { signingSecret, organizationId, adminToken }
  })
  writeFileSync(join(dataDir, adminTokenFile), `${settings.adminToken}\n`, { mode: 0o600 })
  return settings
}
