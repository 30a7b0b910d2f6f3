import { encodeBase64Url, utf8 } from './bytes.ts'
import { AuthError } from './errors.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import {
  holdsSecret,
  importVerifyKey,
  isKid,
  type PublicJwk,
  parsePublicJwk,
  type VerifyKey,
} from './jwk.ts'

/**
 * A published key set: what the issuer serves, the edge passes on and third parties read.
 *
 * ```json
 * { "keys": [ { "kty": "OKP", … } ], "revision": 1795226780998, "revoked": ["kid"] }
 * ```
 *
 * `revision` and `revoked` are additional members, which other readers ignore.
 *
 * @see RFC 7517 section 5
 */
export interface PublicJwks {
  readonly keys: readonly PublicJwk[]
  /** Moves with each stored change; milliseconds since the epoch. Absent: a stranger's key set. */
  readonly revision?: number
  /** kids that never verify again. */
  readonly revoked: readonly string[]
}

/** A key set that is ready to verify. */
export interface KeySet {
  readonly jwks: PublicJwks
  readonly keys: ReadonlyMap<string, VerifyKey>
  readonly revoked: ReadonlySet<string>
}

/** A key of a document that was left out, and why. */
export interface IgnoredKey {
  readonly kid: unknown
  readonly reason: string
}

const MAX_KEYS = 64

/**
 * Reads a JWKS document.
 *
 * One key that is malformed or of a kind unknown here is left out and the others stay (RFC 7517
 * section 5). What can only be an error or an attack refuses the document: no usable key, a private
 * or symmetric key, one kid twice, more than 64 keys, a malformed `revision` or `revoked`. A document
 * of ours without any key is none of these where it says which keys are revoked.
 *
 * @throws {AuthError} `jwks_invalid`
 */
export function parseJwks(value: unknown, onIgnored?: (key: IgnoredKey) => void): PublicJwks {
  if (!isJsonObject(value) || !Array.isArray(value.keys)) {
    throw invalid('a JWKS is a JSON object with an array of keys')
  }
  const entries: readonly unknown[] = value.keys
  if (entries.length > MAX_KEYS) throw invalid(`a JWKS has at most ${MAX_KEYS} keys`)
  if (entries.some((entry) => isJsonObject(entry) && holdsSecret(entry))) {
    throw invalid('a JWKS holds no private and no symmetric key')
  }
  refuseDuplicates(entries)
  const keys = entries.flatMap((entry) => parseEntry(entry, onIgnored))
  const { revision } = parseRevision(value.revision)
  const revoked = parseRevoked(value.revoked)
  // Refused, a document in which every key is revoked would keep them all alive at its readers.
  const saysAllRevoked = entries.length === 0 && revision !== undefined && revoked.length > 0
  if (keys.length === 0 && !saysAllRevoked) throw invalid('a JWKS has at least one usable key')
  return { keys, ...(revision !== undefined && { revision }), revoked }
}

function refuseDuplicates(entries: readonly unknown[]): void {
  const seen = new Set<unknown>()
  for (const entry of entries) {
    const kid = isJsonObject(entry) ? entry.kid : undefined
    if (kid === undefined) continue
    if (seen.has(kid)) throw invalid('every kid of a JWKS is there once')
    seen.add(kid)
  }
}

function parseEntry(entry: unknown, onIgnored?: (key: IgnoredKey) => void): PublicJwk[] {
  try {
    return [parsePublicJwk(entry)]
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    onIgnored?.({ kid: isJsonObject(entry) ? entry.kid : undefined, reason: error.message })
    return []
  }
}

function parseRevision(revision: unknown): { revision?: number } {
  if (revision === undefined) return {}
  if (!Number.isSafeInteger(revision) || (revision as number) < 0) {
    throw invalid('the revision of a JWKS is a whole number of milliseconds')
  }
  return { revision: revision as number }
}

function parseRevoked(revoked: unknown): readonly string[] {
  if (revoked === undefined) return []
  if (!Array.isArray(revoked) || !revoked.every(isKid)) {
    throw invalid('revoked is an array of kids')
  }
  return revoked
}

/**
 * Imports the keys of a parsed document. A key whose JWK did not change keeps its object from
 * `previous`, so that what was cached under that object stays valid. Left out are revoked keys, and
 * keys of an algorithm that this runtime does not have.
 */
export async function importKeySet(jwks: PublicJwks, previous?: KeySet): Promise<KeySet> {
  const revoked = new Set(jwks.revoked)
  const usable = jwks.keys.filter((jwk) => !revoked.has(jwk.kid))
  const keys = await Promise.all(usable.map((jwk) => importOrKeep(jwk, previous)))
  return {
    jwks,
    keys: new Map(keys.flatMap((key) => (key ? [[key.kid, key] as const] : []))),
    revoked,
  }
}

async function importOrKeep(jwk: PublicJwk, previous?: KeySet): Promise<VerifyKey | undefined> {
  const known = previous?.keys.get(jwk.kid)
  if (known && canonical(known.jwk) === canonical(jwk)) return known
  try {
    return await importVerifyKey(jwk)
  } catch (error) {
    if (error instanceof AuthError) return undefined
    throw error
  }
}

/**
 * SHA-256 of the keys in canonical form (sorted by kid, members sorted), in base64url: equal for
 * every reader of the same key set, whatever the order or white space of its copy.
 */
export async function jwksDigest(jwks: { readonly keys: readonly PublicJwk[] }): Promise<string> {
  const text = `[${jwks.keys.map(canonical).sort().join(',')}]`
  const digest = await crypto.subtle.digest('SHA-256', utf8(text))
  return encodeBase64Url(new Uint8Array(digest))
}

function canonical(jwk: JsonObject): string {
  const members = Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(members))
}

function invalid(message: string): AuthError {
  return new AuthError('jwks_invalid', message)
}
