import { isJsonObject } from '@keyturn/auth-core'
import {
  formatKeyring,
  formatPublicJwks,
  type Keyring,
  type KeyringSecret,
  type PrivateJwk,
  parseKeyring,
  parsePrivateKey,
  type Revocation,
  type StoredKeyring,
} from '@keyturn/auth-core/signing'
import { InfisicalError, isInfisicalError } from './errors.ts'
import { FOLDERS, type RegisteredEdge } from './layout.ts'
import type { Secret, Secrets } from './secrets.ts'

/** A keyring that was read, and the state of the store it was read from. */
export interface KeyringRead {
  readonly keyring: Keyring
  /** What was missing in a document edited by hand and has been filled in. */
  readonly notes: readonly string[]
  /** Versions of the secrets of /auth/jwt by name: what a write compares before it writes. */
  readonly versions: Readonly<Record<string, number>>
}

/** What concerns the propagation of keys. */
export interface Propagation {
  readonly edges: readonly RegisteredEdge[]
  readonly pingKey?: PrivateJwk
  readonly webhookSecrets: readonly string[]
}

/** The keyring in Infisical. Errors are `InfisicalError`, or `AuthError` `keyring_invalid`. */
export interface KeyringStore {
  read(): Promise<KeyringRead>
  /**
   * Writes a step as one atomic batch, reads it back, and renews the public copy.
   *
   * @throws {InfisicalError} `moved` where somebody else wrote since `before` was read, or at the
   *   same time
   */
  write(before: KeyringRead, after: Keyring, comment: string): Promise<KeyringRead>
  /**
   * Creates an entry of /auth/revoked for each kid, which nothing takes back, and reads the keyring
   * in which they count. An entry that is there already stays as it is, so that whoever was cut off
   * can begin again. The keys are still in /auth/jwt until a step is written.
   *
   * @throws {InfisicalError} `unexpected_answer` where an entry is not there afterwards
   */
  revoke(revocations: readonly Revocation[], comment: string): Promise<KeyringRead>
  /** Makes the copy in /auth/public equal, as an interrupted write may have left it behind. */
  renewPublicCopy(keyring: Keyring): Promise<void>
  readPropagation(): Promise<Propagation>
}

const SLOTS: readonly KeyringSecret[] = [
  'current_private_key',
  'next_private_key',
  'previous_private_key',
  'public_jwks',
]

/** Gives access to the keyring through one identity's view of the secrets. */
export function createKeyringStore({
  secrets,
  nowSeconds,
}: {
  readonly secrets: Secrets
  readonly nowSeconds: () => number
}): KeyringStore {
  async function readJwt(): Promise<readonly Secret[]> {
    const found = await secrets.list(FOLDERS.jwt)
    if (found.some(({ name }) => name === 'public_jwks')) return found
    const known = await secrets.folderExists(FOLDERS.jwt)
    throw new InfisicalError(
      'not_found',
      known
        ? `${FOLDERS.jwt} holds public_jwks; run keyturn init`
        : `the folder ${FOLDERS.jwt} is there and readable; run keyturn init, or check project, environment and rights`,
    )
  }

  async function read(): Promise<KeyringRead> {
    return await readWith(readJwt())
  }

  async function readWith(
    slots: readonly Secret[] | Promise<readonly Secret[]>,
  ): Promise<KeyringRead> {
    const [jwt, revoked] = await Promise.all([slots, secrets.list(FOLDERS.revoked)])
    const { keyring, notes } = await parseKeyring(toStored(jwt, revoked), nowSeconds())
    return { keyring, notes, versions: versionsOf(jwt) }
  }

  async function write(before: KeyringRead, after: Keyring, comment: string): Promise<KeyringRead> {
    const wanted = formatKeyring(after)
    const present = await readJwt()
    refuseMoved(before.versions, versionsOf(present))
    await createMissingSlots(present)
    const changed = changes(present, wanted)
    await secrets.updateMany(FOLDERS.jwt, changed, { comment })
    const back = await readJwt()
    refuseInterleaved({ present, changed, back })
    await renewPublicCopy(after)
    // What was read back, and not once more: readers are limited to 40 lists a minute.
    return await readWith(back)
  }

  async function revoke(revocations: readonly Revocation[], comment: string): Promise<KeyringRead> {
    await secrets.ensureFolder(FOLDERS.revoked)
    await Promise.all(revocations.map((revocation) => createRevocation(revocation, comment)))
    const back = await read()
    const listed = new Set(back.keyring.revocations.map(({ kid }) => kid))
    const lost = revocations.find(({ kid }) => !listed.has(kid))
    if (!lost) return back
    const message = `${FOLDERS.revoked}/${lost.kid} is there after it was created`
    throw new InfisicalError('unexpected_answer', message)
  }

  async function createRevocation(revocation: Revocation, comment: string): Promise<void> {
    const { kid } = revocation
    try {
      await secrets.create(FOLDERS.revoked, kid, formatRevocation(revocation), comment)
    } catch (error) {
      // Revoked before, perhaps by a command that was cut off: the first entry stays.
      if (!isInfisicalError(error, 'conflict')) throw error
    }
  }

  /** A batch update refuses as a whole where one name is missing, as in a layout made by hand. */
  async function createMissingSlots(present: readonly Secret[]): Promise<void> {
    for (const name of SLOTS) {
      if (textOf(present, name) === undefined) await secrets.create(FOLDERS.jwt, name, '{}')
    }
  }

  async function renewPublicCopy(keyring: Keyring): Promise<void> {
    const wanted = formatPublicJwks(keyring)
    const copy = (await secrets.list(FOLDERS.public)).find(({ name }) => name === 'public_jwks')
    if (copy?.value === wanted) return
    if (copy) await secrets.update(FOLDERS.public, 'public_jwks', wanted)
    else await secrets.create(FOLDERS.public, 'public_jwks', wanted)
  }

  async function readPropagation(): Promise<Propagation> {
    const found = await secrets.list(FOLDERS.edge)
    const pingKey = textOf(found, 'ping_private_key')
    const webhookSecret = textOf(found, 'webhook_secret')
    return {
      edges: parseEdges(textOf(found, 'edges') ?? '[]'),
      ...(pingKey && { pingKey: await parsePrivateKey(pingKey, 'ping_private_key') }),
      webhookSecrets: (webhookSecret ?? '').split(/\s+/).filter((word) => word !== ''),
    }
  }

  return { read, write, revoke, renewPublicCopy, readPropagation }
}

function toStored(jwt: readonly Secret[], revoked: readonly Secret[]): StoredKeyring {
  return {
    secrets: Object.fromEntries(
      SLOTS.flatMap((name) => {
        const value = textOf(jwt, name)
        return value === undefined ? [] : [[name, value]]
      }),
    ),
    revision: jwt.find(({ name }) => name === 'public_jwks')?.updatedAt ?? 0,
    revoked: Object.fromEntries(revoked.map(({ name, value }) => [name, value])),
  }
}

/**
 * `{ "at": 1795000000, "reason": "leaked in a log" }`. Servers look for references to other secrets in
 * a value, and refuse one that leads nowhere: a reason is people's own words, and is no reference.
 */
function formatRevocation({ at, reason }: Revocation): string {
  return JSON.stringify({ at, reason }).replaceAll('${', '\\u0024{')
}

/** What a batch has to write: what differs, and always the public set, whose time is the revision. */
function changes(
  present: readonly Secret[],
  wanted: Readonly<Record<KeyringSecret, string>>,
): Record<string, string> {
  return Object.fromEntries(
    SLOTS.filter((name) => name === 'public_jwks' || textOf(present, name) !== wanted[name]).map(
      (name) => [name, wanted[name]],
    ),
  )
}

function textOf(secrets: readonly Secret[], name: string): string | undefined {
  return secrets.find((secret) => secret.name === name)?.value
}

function versionsOf(secrets: readonly Secret[]): Record<string, number> {
  return Object.fromEntries(secrets.map(({ name, version }) => [name, version]))
}

function refuseMoved(before: KeyringRead['versions'], now: KeyringRead['versions']): void {
  const name = SLOTS.find((slot) => before[slot] !== now[slot])
  if (name) throw moved(name)
}

/** Infisical has no compare-and-set: a write in between shows in a version that moved twice. */
function refuseInterleaved({
  present,
  changed,
  back,
}: {
  readonly present: readonly Secret[]
  readonly changed: Readonly<Record<string, string>>
  readonly back: readonly Secret[]
}): void {
  const [before, after] = [versionsOf(present), versionsOf(back)]
  for (const [name, value] of Object.entries(changed)) {
    const expected = (before[name] ?? 1) + 1
    if (textOf(back, name) !== value || after[name] !== expected) throw moved(name)
  }
}

function moved(name: string): InfisicalError {
  return new InfisicalError(
    'moved',
    `nobody else writes ${FOLDERS.jwt}/${name} at the same time; look at the status and run the command again`,
  )
}

function parseEdges(text: string): readonly RegisteredEdge[] {
  const invalid = () =>
    new InfisicalError(
      'invalid_config',
      `${FOLDERS.edge}/edges is a JSON array of { "name", "url" }`,
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid()
  }
  if (!Array.isArray(value)) throw invalid()
  return value.map((entry: unknown) => {
    if (!isJsonObject(entry)) throw invalid()
    const { name, url } = entry
    if (typeof name !== 'string' || typeof url !== 'string' || !URL.canParse(url)) throw invalid()
    return { name, url: url.replace(/\/+$/, '') }
  })
}
