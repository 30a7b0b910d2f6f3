import type { CryptoKey } from 'jose'
import { decodeBase64, encodeBase64, utf8 } from '../bytes.ts'
import { AuthError } from '../errors.ts'
import { isJsonObject, type JsonObject, parseJsonObject } from '../json.ts'
import { isKid } from '../jwk.ts'
import type { Seconds } from '../time.ts'

/**
 * A message that hurries a reader of the keys. It carries no key: correctness never depends on one.
 *
 * ```json
 * { "type": "keys.changed",
 *   "data": { "issuer": "https://…", "revision": 1795226780998, "jwks_sha256": "…" } }
 * ```
 */
export type Ping =
  | { readonly type: 'keys.changed'; readonly data: KeysAt }
  | { readonly type: 'keys.revoked'; readonly data: KeysRevoked }
  | { readonly type: 'revision.reset'; readonly data: KeysAt }

export interface KeysAt {
  readonly issuer: string
  readonly revision: number
  /** `jwksDigest` of the key set at that revision. */
  readonly jwks_sha256: string
}

export interface KeysRevoked {
  readonly issuer: string
  /** The newest revision when the kids were revoked; a later one has to confirm it. */
  readonly revision: number
  readonly kids: readonly string[]
}

/** A ping on the wire (Standard Webhooks, asymmetric signature `v1a`). */
export interface SignedPing {
  readonly headers: Readonly<
    Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>
  >
  readonly body: string
}

/** The headers and the raw body of a ping that arrived. */
export interface ReceivedPing {
  readonly id: string | null | undefined
  readonly timestamp: string | null | undefined
  readonly signature: string | null | undefined
  readonly body: string
}

/** How far a ping's timestamp may be from the receiver's clock. */
export const PING_TOLERANCE: Seconds = 300

const ID = /^[A-Za-z0-9_-]{1,64}$/
const MAX_BODY_BYTES = 16_384
const MAX_SIGNATURES = 8
const PUBLIC_KEY = /^whpk_([A-Za-z0-9+/]{43}=)$/
const ED25519 = { name: 'Ed25519' }

/**
 * Reads the public keys of those who may ping: `whpk_` and 32 bytes in base64, separated by space
 * or comma.
 *
 * @throws {AuthError} `ping_invalid`
 */
export async function parsePingKeys(text: string): Promise<readonly CryptoKey[]> {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  return await Promise.all(
    words.map(async (word) => {
      const raw = decodeBase64(PUBLIC_KEY.exec(word)?.[1] ?? '')
      if (raw?.length !== 32) throw invalid('a ping key is whpk_ and 32 bytes in base64')
      return await crypto.subtle.importKey('raw', raw, ED25519, false, ['verify'])
    }),
  )
}

/** The form in which a public Ed25519 key is handed to receivers of pings: `whpk_…`. */
export function formatPingKey(raw: Uint8Array): string {
  return `whpk_${encodeBase64(raw)}`
}

/**
 * Verifies a ping.
 *
 * Checks, in order: size; the shape of id and timestamp; the timestamp within ± 5 min of `now`; one
 * `v1a` signature of at most 8 under one of `keys`; the body; that it speaks of `issuer`. Not checked:
 * whether the id was seen before, which the receiver remembers for 10 min, after this held.
 *
 * @throws {AuthError} `ping_invalid`, `ping_stale`
 */
export async function verifyPing(
  { id, timestamp, signature, body }: ReceivedPing,
  { keys, issuer, now }: { keys: readonly CryptoKey[]; issuer: string; now: Seconds },
): Promise<{ readonly id: string; readonly ping: Ping }> {
  if (body.length > MAX_BODY_BYTES) throw invalid(`a ping has at most ${MAX_BODY_BYTES} bytes`)
  if (!id || !ID.test(id)) throw invalid('webhook-id is 1 to 64 of A-Z a-z 0-9 _ -')
  if (!timestamp || !/^[0-9]{1,12}$/.test(timestamp)) {
    throw invalid('webhook-timestamp is in whole seconds')
  }
  if (Math.abs(now - Number(timestamp)) > PING_TOLERANCE) {
    throw new AuthError('ping_stale', `the timestamp is within ${PING_TOLERANCE} s of our clock`)
  }
  const content = utf8(`${id}.${timestamp}.${body}`)
  if (!(await anySignatureHolds(signature ?? '', content, keys))) {
    throw invalid('one v1a signature is of a known key')
  }
  return { id, ping: parsePing(body, issuer) }
}

async function anySignatureHolds(
  header: string,
  content: Uint8Array<ArrayBuffer>,
  keys: readonly CryptoKey[],
): Promise<boolean> {
  const candidates = header.split(' ').filter((word) => word.startsWith('v1a,'))
  for (const candidate of candidates.slice(0, MAX_SIGNATURES)) {
    const signature = decodeBase64(candidate.slice('v1a,'.length))
    if (signature?.length !== 64) continue
    for (const key of keys) {
      if (await crypto.subtle.verify(ED25519, key, signature, content)) return true
    }
  }
  return false
}

function parsePing(body: string, issuer: string): Ping {
  const message = parseJsonObject(body)
  const data = message?.data
  if (!message || !isJsonObject(data)) throw invalid('a ping is a JSON object with type and data')
  if (data.issuer !== issuer) throw invalid('a ping speaks of our issuer')
  const parse = PARSE.get(message.type)
  if (!parse) throw invalid(`type is one of ${[...PARSE.keys()].join(', ')}`)
  return parse(data, issuer)
}

type ParsePing = (data: JsonObject, issuer: string) => Ping

const PARSE: ReadonlyMap<unknown, ParsePing> = new Map<unknown, ParsePing>([
  ['keys.changed', (data, issuer) => ({ type: 'keys.changed', data: keysAt(data, issuer) })],
  ['keys.revoked', (data, issuer) => ({ type: 'keys.revoked', data: keysRevoked(data, issuer) })],
  ['revision.reset', (data, issuer) => ({ type: 'revision.reset', data: keysAt(data, issuer) })],
])

function keysRevoked(data: JsonObject, issuer: string): KeysRevoked {
  const kids = data.kids
  if (!Array.isArray(kids) || kids.length === 0 || kids.length > 64 || !kids.every(isKid)) {
    throw invalid('kids is an array of 1 to 64 kids')
  }
  return { issuer, revision: revisionOf(data), kids }
}

function keysAt(data: JsonObject, issuer: string): KeysAt {
  const digest = data.jwks_sha256
  if (typeof digest !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(digest)) {
    throw invalid('jwks_sha256 is a SHA-256 in base64url')
  }
  return { issuer, revision: revisionOf(data), jwks_sha256: digest }
}

function revisionOf(data: JsonObject): number {
  const revision = data.revision
  if (!Number.isSafeInteger(revision) || (revision as number) < 0) {
    throw invalid('revision is a whole number')
  }
  return revision as number
}

function invalid(message: string): AuthError {
  return new AuthError('ping_invalid', message)
}
