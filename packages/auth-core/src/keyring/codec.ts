import { exportJWK, importPKCS8 } from 'jose'
import { ALGORITHM_NAMES, type AlgorithmName } from '../algorithms.ts'
import { AuthError } from '../errors.ts'
import { parseJsonObject } from '../json.ts'
import { isInstant, isKid, type PrivateJwk, publicJwkOf } from '../jwk.ts'
import { parseJwks } from '../jwks.ts'
import { MAX_REVISION_AHEAD_MS } from '../key-source/accept.ts'
import type { Seconds } from '../time.ts'
import { createSigner } from '../token/sign.ts'
import { privateJwkOf } from './fresh-key.ts'
import { type Keyring, type KeyringKey, keysWith, type Revocation, statusOf } from './keyring.ts'

/**
 * A keyring as it is stored: the secrets of /auth/jwt by name, and /auth/revoked.
 *
 * ```
 * current_private_key   {"kty":"OKP","crv":"Ed25519","x":"…","d":"…","kid":"…","alg":"EdDSA"}
 * next_private_key      likewise, or PKCS#8 PEM
 * previous_private_key  likewise, or {} where no flip can be undone
 * public_jwks           {"keys":[{…,"iat":1795000000,"nbf":1795003600}]}
 * ```
 */
export interface StoredKeyring {
  readonly secrets: Readonly<Partial<Record<KeyringSecret, string>>>
  /** `updatedAt` of `public_jwks` in milliseconds. */
  readonly revision: number
  /** What is in /auth/revoked: kid to value (JSON `{ "at": …, "reason": "…" }`, or any text). */
  readonly revoked: Readonly<Record<string, string>>
}

export type KeyringSecret =
  | 'current_private_key'
  | 'next_private_key'
  | 'previous_private_key'
  | 'public_jwks'

/** A keyring that was read, and what was mended while reading it. */
export interface ParsedKeyring {
  readonly keyring: Keyring
  /** One sentence for each time or key that was missing from a document edited by hand. */
  readonly notes: readonly string[]
}

const SLOT_OF = {
  current: 'current_private_key',
  next: 'next_private_key',
  previous: 'previous_private_key',
} as const

/**
 * Reads a stored keyring and checks every invariant: the public set is a JWKS without private
 * members; each kid is the RFC 7638 thumbprint of its key; exactly one current key, whose private
 * half is there and signs what its public half verifies; at most one next; a revision that is not
 * more than 5 minutes ahead of `now`.
 *
 * A document edited by hand stays usable: missing times are filled in from the slot that holds the
 * private key, and reported in `notes`. A revoked kid that is still in the public set counts as
 * revoked; where that was the current key, the next one takes its place.
 *
 * @throws {AuthError} `keyring_invalid`, with the invariant in its message
 */
export async function parseKeyring(stored: StoredKeyring, now: Seconds): Promise<ParsedKeyring> {
  const notes: string[] = []
  if (stored.revision > now * 1000 + MAX_REVISION_AHEAD_MS) {
    throw invalid('the revision is not more than 5 minutes ahead of our clock', {
      revision: stored.revision,
    })
  }
  const privateKeys = await parseSlots(stored)
  const published = parsePublished(stored, notes)
  const keys: KeyringKey[] = []
  for (const jwk of published.keys) {
    if ((await publicJwkOf(jwk)).kid !== jwk.kid) {
      throw invalid('every kid is the thumbprint of its key', { kid: jwk.kid })
    }
    const privateJwk = Object.values(privateKeys).find((candidate) => candidate.kid === jwk.kid)
    keys.push({
      kid: jwk.kid,
      jwk: fillTimes(jwk, privateKeys, stored.revision, notes),
      ...(privateJwk && { privateJwk }),
    })
  }
  const keyring = promoteNext(
    { keys, revocations: parseRevocations(stored.revoked), revision: stored.revision },
    notes,
  )
  await checkInvariants(keyring, privateKeys)
  return { keyring, notes }
}

type PrivateKeys = Partial<Record<keyof typeof SLOT_OF, PrivateJwk>>

async function parseSlots({ secrets }: StoredKeyring): Promise<PrivateKeys> {
  const found: PrivateKeys = {}
  for (const status of ['current', 'next', 'previous'] as const) {
    const text = secrets[SLOT_OF[status]]?.trim()
    if (text && text !== '{}') found[status] = await parsePrivateKey(text, SLOT_OF[status])
  }
  return found
}

/**
 * Reads a private key: a JWK, or PKCS#8 PEM.
 *
 * @throws {AuthError} `keyring_invalid`, naming the slot and never the key
 */
export async function parsePrivateKey(text: string, slot: string): Promise<PrivateJwk> {
  const material = text.trim().startsWith('-----BEGIN')
    ? await jwkFromPem(text.trim(), slot)
    : parseJsonObject(text)
  if (!material) throw invalid(`${slot} is a private JWK or PKCS#8 PEM`)
  try {
    const { kid } = await publicJwkOf(material)
    if (material.kid !== undefined && material.kid !== kid) {
      throw invalid(`the kid in ${slot} is the thumbprint of its key`)
    }
    return privateJwkOf(material, kid)
  } catch (cause) {
    if (cause instanceof AuthError && cause.code === 'keyring_invalid') throw cause
    throw invalid(`${slot} is a key of an allowed algorithm`, { cause })
  }
}

async function jwkFromPem(pem: string, slot: string): Promise<Record<string, unknown>> {
  for (const alg of ALGORITHM_NAMES) {
    const key = await importPem(pem, alg)
    if (key) return await exportJWK(key)
  }
  throw invalid(`${slot} is PKCS#8 PEM of an allowed algorithm`)
}

async function importPem(pem: string, alg: AlgorithmName) {
  try {
    return await importPKCS8(pem, alg, { extractable: true })
  } catch {
    // Of another algorithm, or damaged: the caller tries the others and then refuses by slot.
    return undefined
  }
}

function parsePublished({ secrets }: StoredKeyring, notes: string[]) {
  const document = parseJsonObject(secrets.public_jwks ?? '')
  if (!document) throw invalid('public_jwks is a JSON object without duplicate names')
  try {
    return parseJwks(document, ({ kid, reason }) => {
      notes.push(`public_jwks: key ${JSON.stringify(kid)} was left out: ${reason}`)
    })
  } catch (cause) {
    throw invalid(`public_jwks: ${cause instanceof Error ? cause.message : 'not readable'}`, {
      cause,
    })
  }
}

function fillTimes(
  jwk: KeyringKey['jwk'],
  privateKeys: PrivateKeys,
  revision: number,
  notes: string[],
): KeyringKey['jwk'] {
  const written = Math.floor(revision / 1000)
  const times: { iat?: Seconds; nbf?: Seconds } = {}
  if (jwk.iat === undefined) times.iat = written
  // The slot of the private key says which key signs; the times only say since when.
  if (jwk.nbf === undefined && privateKeys.current?.kid === jwk.kid) times.nbf = written
  if (jwk.nbf === undefined && jwk.exp !== undefined) times.nbf = times.iat ?? jwk.iat ?? written
  for (const name of Object.keys(times)) {
    notes.push(`public_jwks: ${name} of ${jwk.kid} was missing; the time of the last write is used`)
  }
  return { ...jwk, ...times }
}

function promoteNext(keyring: Keyring, notes: string[]): Keyring {
  const revokedCurrent = keyring.keys.some(
    ({ kid, jwk }) =>
      statusOf(keyring, kid) === 'revoked' && jwk.nbf !== undefined && jwk.exp === undefined,
  )
  const [next] = keysWith(keyring, 'next')
  if (!revokedCurrent || !next || keysWith(keyring, 'current').length > 0) return keyring
  const revokedAt = Math.max(...keyring.revocations.map(({ at }) => at))
  notes.push(`the current key is revoked: ${next.kid} signs in its place`)
  return {
    ...keyring,
    keys: keyring.keys.map((key) =>
      key.kid === next.kid ? { ...key, jwk: { ...key.jwk, nbf: revokedAt } } : key,
    ),
  }
}

function parseRevocations(revoked: StoredKeyring['revoked']): readonly Revocation[] {
  return Object.entries(revoked)
    .filter(([kid]) => isKid(kid))
    .map(([kid, text]) => {
      const entry = parseJsonObject(text)
      const at = entry?.at
      const reason = entry?.reason
      return {
        kid,
        at: isInstant(at) ? at : 0,
        reason: typeof reason === 'string' ? reason : 'not given',
      }
    })
}

async function checkInvariants(keyring: Keyring, privateKeys: PrivateKeys): Promise<void> {
  const current = keysWith(keyring, 'current')
  if (current.length > 1) {
    throw invalid('exactly one key is current', { kids: current.map(({ kid }) => kid) })
  }
  if (keysWith(keyring, 'next').length > 1) throw invalid('at most one key is next')
  for (const status of ['current', 'next', 'previous'] as const) {
    const kid = privateKeys[status]?.kid
    if (kid === undefined) continue
    const known = statusOf(keyring, kid)
    if (known === undefined)
      throw invalid(`the key in ${SLOT_OF[status]} is in public_jwks`, { kid })
  }
  for (const { kid, jwk, privateJwk } of keyring.keys) {
    const status = statusOf(keyring, kid)
    if (status === 'revoked' || status === 'previous') continue
    if (!privateJwk) throw invalid(`the private half of the ${status} key is there`, { kid })
    await proves(privateJwk, jwk)
  }
}

async function proves(privateJwk: PrivateJwk, jwk: KeyringKey['jwk']): Promise<void> {
  try {
    await createSigner(privateJwk, jwk)
  } catch (cause) {
    throw invalid('every private key matches its public one', { kid: jwk.kid, cause })
  }
}

/** Writes a keyring as the secrets of /auth/jwt, in the form that `parseKeyring` reads. */
export function formatKeyring(keyring: Keyring): Record<KeyringSecret, string> {
  const slot = (status: keyof typeof SLOT_OF) =>
    JSON.stringify(keysWith(keyring, status).find(({ privateJwk }) => privateJwk)?.privateJwk ?? {})
  return {
    current_private_key: slot('current'),
    next_private_key: slot('next'),
    previous_private_key: slot('previous'),
    public_jwks: formatPublicJwks(keyring),
  }
}

/** The stored public set: every key that is not revoked, with its times. */
export function formatPublicJwks(keyring: Keyring): string {
  const keys = keyring.keys.filter(({ kid }) => statusOf(keyring, kid) !== 'revoked')
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
}

function invalid(message: string, details: Record<string, unknown> = {}): AuthError {
  return new AuthError('keyring_invalid', message, details)
}
