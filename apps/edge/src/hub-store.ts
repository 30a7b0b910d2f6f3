import {
  type HeldKeys,
  importKeySet,
  type KeysAt,
  type PublicJwks,
  parseJwks,
} from '@keyturn/auth-core'

/**
 * How long the id of a ping counts as seen: 10 min in which its timestamp can hold (it may be 5 min
 * ahead), and a minute for the difference between the clock that checked it and the hub's.
 */
const REMEMBERED_MS = 660_000

/** A kid that a ping revoked and no document has confirmed yet. */
export interface DeniedKid {
  readonly kid: string
  /** The newest revision when it was revoked: only a later document can speak against it. */
  readonly revision: number
  readonly atMs: number
}

/** What a ping announced, and when it arrived. */
export interface Announcement extends KeysAt {
  readonly atMs: number
}

/** A signed reset that waits for its document. */
export interface PendingReset extends Announcement {
  /** The epoch that it ends. */
  readonly epoch: number
}

/** Counters and reasons, for the health page. */
export interface OriginStatus {
  readonly fetches: number
  readonly failures: number
  /** Reads in a row that failed or did not bring what a ping announced. */
  readonly unsatisfied: number
  readonly lastError?: { readonly reason: string; readonly atMs: number }
  /** Absent after a read without one. */
  readonly alarm?: { readonly name: string; readonly atMs: number } | undefined
}

/**
 * The hub's memory across evictions, in the SQLite of its Durable Object. Every method is
 * synchronous, so that what is decided in one JS turn is stored in that turn.
 */
export interface HubStore {
  /** @throws {AuthError} `jwks_invalid`, `jwk_invalid` for a stored set that cannot be read */
  loadHeld(): Promise<HeldKeys | undefined>
  saveHeld(held: HeldKeys): void
  /** Whether this id is new; remembers it. */
  remember(id: string, nowMs: number): boolean
  denied(): readonly DeniedKid[]
  deny(kid: DeniedKid): void
  undeny(kids: readonly string[]): void
  /** How many denied kids lapsed so far. */
  lapses(): number
  addLapses(count: number): void
  announced(): Announcement | undefined
  announce(announcement: Announcement | undefined): void
  reset(): PendingReset | undefined
  setReset(reset: PendingReset | undefined): void
  status(): OriginStatus
  setStatus(status: OriginStatus): void
}

/**
 * ```json
 * { "jwks": { "keys": [ … ], "revision": 1795226780998, "revoked": [] },
 *   "asOfMs": 1795226781010, "fetchedAtMs": 1795226781010, "sinceMs": 1795226781010, "epoch": 0 }
 * ```
 */
interface StoredKeys extends Omit<HeldKeys, 'keySet'> {
  readonly jwks: PublicJwks
}

/** Opens the memory of a hub, making its tables where they are not there yet. */
export function createHubStore({ sql, kv }: DurableObjectStorage): HubStore {
  sql.exec(`
    CREATE TABLE IF NOT EXISTS seen_pings (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS denied_kids (
      kid TEXT PRIMARY KEY, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  `)

  function putOrDelete(name: string, value: unknown): void {
    if (value === undefined) kv.delete(name)
    else kv.put(name, value)
  }

  return {
    loadHeld: async () => {
      const text = kv.get<string>('held')
      return text === undefined ? undefined : await parseHeld(text)
    },
    saveHeld: ({ keySet, ...instants }) => {
      const stored: StoredKeys = { jwks: keySet.jwks, ...instants }
      kv.put('held', JSON.stringify(stored))
    },
    remember: (id, nowMs) => {
      sql.exec('DELETE FROM seen_pings WHERE at_ms < ?', nowMs - REMEMBERED_MS)
      return sql.exec('INSERT OR IGNORE INTO seen_pings VALUES (?, ?)', id, nowMs).rowsWritten > 0
    },
    denied: () =>
      sql
        .exec<{ kid: string; revision: number; at_ms: number }>('SELECT * FROM denied_kids')
        .toArray()
        .map(({ kid, revision, at_ms }) => ({ kid, revision, atMs: at_ms })),
    deny: ({ kid, revision, atMs }) => {
      sql.exec('INSERT OR REPLACE INTO denied_kids VALUES (?, ?, ?)', kid, revision, atMs)
    },
    undeny: (kids) => {
      for (const kid of kids) sql.exec('DELETE FROM denied_kids WHERE kid = ?', kid)
    },
    lapses: () => kv.get<number>('lapses') ?? 0,
    addLapses: (count) => kv.put('lapses', (kv.get<number>('lapses') ?? 0) + count),
    announced: () => kv.get<Announcement>('announced'),
    announce: (announcement) => putOrDelete('announced', announcement),
    reset: () => kv.get<PendingReset>('reset'),
    setReset: (reset) => putOrDelete('reset', reset),
    status: () => kv.get<OriginStatus>('status') ?? { fetches: 0, failures: 0, unsatisfied: 0 },
    setStatus: (status) => kv.put('status', status),
  }
}

async function parseHeld(text: string): Promise<HeldKeys> {
  // Our own writing: only the key set, which is judged anew, decides about anything.
  const { jwks, ...instants } = JSON.parse(text) as StoredKeys
  return { keySet: await importKeySet(parseJwks(jwks)), ...instants }
}
