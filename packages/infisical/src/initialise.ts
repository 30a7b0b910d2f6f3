import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { type AlgorithmName, parseJsonObject, type Seconds } from '@keyturn/auth-core'
import {
  apply,
  createPingSigner,
  definePolicy,
  formatKeyring,
  formatPublicJwks,
  generateFreshKey,
  type Keyring,
  nextKey,
  parseKeyring,
  parsePrivateKey,
} from '@keyturn/auth-core/signing'
import { InfisicalError } from './errors.ts'
import { createKeyringStore, type KeyringStore } from './keyring-store.ts'
import { FOLDERS, type RegisteredEdge } from './layout.ts'
import type { Secrets } from './secrets.ts'

/** What a layout is created with. */
export interface InitialiseOptions {
  /** Seen by an identity that may write all of /auth. */
  readonly secrets: Secrets
  /** The algorithm of the keys that are made. */
  readonly alg: AlgorithmName
  readonly now: Seconds
  /** Edges to register, or whose URL to change; others stay. */
  readonly edges?: readonly RegisteredEdge[]
}

/** What is there now, and what of it was not there before. */
export interface Initialised {
  /** Paths of folders and secrets that were created. */
  readonly created: readonly string[]
  /** Paths of secrets that were there and were filled or changed. */
  readonly updated: readonly string[]
  readonly keyring: Keyring
  readonly edges: readonly RegisteredEdge[]
  /** `whpk_…`: what edges verify pings with. */
  readonly pingPublicKey: string
  /** What Infisical signs its webhook with. A secret. */
  readonly webhookSecret: string
}

/** What a run works with, and what it has done so far. */
interface Run extends InitialiseOptions {
  readonly store: KeyringStore
  readonly created: string[]
  readonly updated: string[]
}

type Values = Readonly<Record<string, string>>

const COMMENT = 'keyturn init'
const AES_KEY_BYTES = 32
const WEBHOOK_SECRET_BYTES = 32

/**
 * Creates every folder and secret of the layout that is not there, and completes what a run that was
 * cut off, or a layout made by hand, lacks. No key that is there is ever replaced, so a second run
 * changes nothing.
 *
 * The four secrets of a first keyring are created as one atomic batch. Where private keys are there
 * without `public_jwks`, it follows from them; a missing next key is staged.
 *
 * @throws {InfisicalError} `invalid_config`, naming what is there without what it needs; `conflict`
 *   or `moved` where somebody else does the same at the same time; `approval_required`
 * @throws {AuthError} `keyring_invalid` where the keyring breaks an invariant
 */
export async function initialiseLayout(options: InitialiseOptions): Promise<Initialised> {
  const { secrets, now } = options
  const store = createKeyringStore({ secrets, nowSeconds: () => now })
  const run: Run = { ...options, store, created: [], updated: [] }
  await createFolders(run)
  const keyring = await initialiseKeyring(run)
  await initialiseAes(run)
  const edge = await initialiseEdge(run)
  const { created, updated } = run
  return { created, updated, keyring, ...edge }
}

async function createFolders({ secrets, created }: Run): Promise<void> {
  for (const path of Object.values(FOLDERS)) {
    if (await secrets.folderExists(path)) continue
    await secrets.ensureFolder(path)
    created.push(path)
  }
}

async function initialiseKeyring(run: Run): Promise<Keyring> {
  const copy = (await valuesIn(run, FOLDERS.public)).public_jwks
  const present = await valuesIn(run, FOLDERS.jwt)
  const filled = Object.keys(present).filter((name) => !isEmpty(present[name]))
  if (filled.length === 0) await put(run, FOLDERS.jwt, await firstKeyring(run))
  else if (filled.includes('public_jwks')) await put(run, FOLDERS.jwt, emptySlots(present))
  else await put(run, FOLDERS.jwt, await derivedSlots(run, present))

  const keyring = await withNextKey(run)
  await run.store.renewPublicCopy(keyring)
  const path = `${FOLDERS.public}/public_jwks`
  if (copy === undefined) run.created.push(path)
  else if (copy !== formatPublicJwks(keyring)) run.updated.push(path)
  return keyring
}

/** A current key that signs from now on, and a next key. */
async function firstKeyring({ alg, now }: Run): Promise<Values> {
  const current = await generateFreshKey(alg, now)
  const signing = { ...current, jwk: { ...current.jwk, nbf: now } }
  const next = await generateFreshKey(alg, now)
  return formatKeyring({ keys: [signing, next], revocations: [], revision: 0 })
}

/** The slots that are not there, empty: none of the keys they may hold is missing for that. */
function emptySlots(present: Values): Values {
  const slots = ['current_private_key', 'next_private_key', 'previous_private_key']
  return Object.fromEntries(
    slots.filter((name) => present[name] === undefined).map((name) => [name, '{}']),
  )
}

/** The public set that follows from the private keys; checked as a keyring before it is written. */
async function derivedSlots({ now }: Run, present: Values): Promise<Values> {
  if (isEmpty(present.current_private_key)) {
    const others = Object.keys(present).filter((name) => !isEmpty(present[name]))
    throw incomplete(
      `${FOLDERS.jwt}/current_private_key beside ${others.join(' and ')}, since only an operator can say which key signs`,
    )
  }
  if (!isEmpty(present.previous_private_key)) {
    throw incomplete(
      `${FOLDERS.jwt}/public_jwks beside previous_private_key, since only it says when that key ends`,
    )
  }
  const keys = [await publicOf(present, 'current_private_key', { iat: now, nbf: now })]
  if (!isEmpty(present.next_private_key)) {
    keys.push(await publicOf(present, 'next_private_key', { iat: now }))
  }
  const derived = { ...emptySlots(present), public_jwks: JSON.stringify({ keys }) }
  const stored = { secrets: { ...present, ...derived }, revision: now * 1000, revoked: {} }
  await parseKeyring(stored, now)
  return derived
}

async function publicOf(present: Values, slot: string, times: object): Promise<object> {
  const { kid, ...material } = await parsePrivateKey(present[slot] ?? '', slot)
  const jwk = createPublicKey(createPrivateKey({ key: material, format: 'jwk' }))
  return { ...jwk.export({ format: 'jwk' }), kid, alg: material.alg, use: 'sig', ...times }
}

async function withNextKey({ store, alg, now, updated }: Run): Promise<Keyring> {
  const read = await store.read()
  if (nextKey(read.keyring)) return read.keyring
  const fresh = await generateFreshKey(alg, now)
  const step = { verb: 'stage', fresh } as const
  const staged = apply(read.keyring, step, { policy: definePolicy({ alg }), now })
  const { keyring } = await store.write(read, staged, COMMENT)
  updated.push(`${FOLDERS.jwt}/next_private_key`, `${FOLDERS.jwt}/public_jwks`)
  return keyring
}

async function initialiseAes(run: Run): Promise<void> {
  const { enc_keys: keys, active_kid: active } = await valuesIn(run, FOLDERS.aes)
  if (isEmpty(keys) && isEmpty(active)) {
    const kid = `aes-${randomBytes(6).toString('hex')}`
    const key = randomBytes(AES_KEY_BYTES).toString('base64')
    return await put(run, FOLDERS.aes, {
      enc_keys: JSON.stringify({ [kid]: key }),
      active_kid: kid,
    })
  }
  if (isEmpty(keys)) {
    throw incomplete(`${FOLDERS.aes}/enc_keys beside active_kid, since records may need that key`)
  }
  const kids = Object.keys(parseJsonObject(keys ?? '') ?? {})
  if (isEmpty(active) && kids.length === 1) {
    return await put(run, FOLDERS.aes, { active_kid: kids[0] ?? '' })
  }
  if (!kids.includes((active ?? '').trim())) {
    throw incomplete(`${FOLDERS.aes}/active_kid to name one of the keys in enc_keys`)
  }
}

async function initialiseEdge(
  run: Run,
): Promise<Pick<Initialised, 'edges' | 'pingPublicKey' | 'webhookSecret'>> {
  const { store, now, edges: wanted = [] } = run
  const present = await valuesIn(run, FOLDERS.edge)
  // The registered edges are parsed before anything is written over them.
  const registered = isEmpty(present.edges) ? [] : (await store.readPropagation()).edges
  const merged = mergeEdges(registered, wanted)
  const changed = JSON.stringify(merged) !== JSON.stringify(registered)
  await put(run, FOLDERS.edge, {
    ...((isEmpty(present.edges) || changed) && { edges: JSON.stringify(merged) }),
    ...(isEmpty(present.ping_private_key) && { ping_private_key: await freshPingKey(now) }),
    ...(isEmpty(present.webhook_secret) && {
      webhook_secret: randomBytes(WEBHOOK_SECRET_BYTES).toString('base64url'),
    }),
  })
  const { edges, pingKey, webhookSecrets } = await store.readPropagation()
  const [webhookSecret] = webhookSecrets
  if (!pingKey || !webhookSecret) {
    throw incomplete(`${FOLDERS.edge} to hold what was written; the identity may not read it`)
  }
  return { edges, pingPublicKey: (await createPingSigner(pingKey)).publicKey, webhookSecret }
}

async function freshPingKey(now: Seconds): Promise<string> {
  // Pings are always signed with Ed25519 (Standard Webhooks v1a), whatever signs tokens.
  return JSON.stringify((await generateFreshKey('EdDSA', now)).privateJwk)
}

/** An edge is known by its name: a new URL takes the place of the old one. */
function mergeEdges(
  registered: readonly RegisteredEdge[],
  wanted: readonly RegisteredEdge[],
): readonly RegisteredEdge[] {
  const byName = new Map([...registered, ...wanted].map(({ name, url }) => [name, { name, url }]))
  return [...byName.values()]
}

/**
 * Brings secrets of one folder to their values: those that are not there as one atomic batch. Where
 * others change with them, the new ones are created empty first, so that all get their values at
 * once.
 */
async function put(
  { secrets, created, updated }: Run,
  folder: string,
  wanted: Values,
): Promise<void> {
  const present = await valuesIn({ secrets }, folder)
  const missing = Object.keys(wanted).filter((name) => present[name] === undefined)
  const changed = Object.keys(wanted).filter(
    (name) => present[name] !== undefined && present[name] !== wanted[name],
  )
  const together = changed.length > 0
  const initial = missing.map((name) => [name, together ? '{}' : (wanted[name] ?? '')] as const)
  if (missing.length > 0) await secrets.createMany(folder, Object.fromEntries(initial))
  created.push(...missing.map((name) => `${folder}/${name}`))
  if (!together) return
  const values = [...missing, ...changed].map((name) => [name, wanted[name] ?? ''] as const)
  await secrets.updateMany(folder, Object.fromEntries(values), { comment: COMMENT })
  updated.push(...changed.map((name) => `${folder}/${name}`))
}

async function valuesIn({ secrets }: Pick<Run, 'secrets'>, folder: string): Promise<Values> {
  const found = await secrets.list(folder)
  return Object.fromEntries(found.map(({ name, value }) => [name, value]))
}

/** A slot of the layout that holds nothing: not there, or `{}` as a retired key leaves it. */
function isEmpty(value: string | undefined): boolean {
  return value === undefined || value.trim() === '' || value.trim() === '{}'
}

function incomplete(expected: string): InfisicalError {
  return new InfisicalError('invalid_config', `expected ${expected}`)
}
