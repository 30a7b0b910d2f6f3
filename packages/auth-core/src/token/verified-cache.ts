import type { JsonObject } from '../json.ts'
import type { VerifyKey } from '../jwk.ts'

/** What is remembered of a token: which key its signature was good under, and what it claims. */
export interface VerifiedEntry {
  readonly key: VerifyKey
  /** Deeply frozen: every caller gets this very object. */
  readonly claims: JsonObject
  /** Its parsed header, which is also remembered for other tokens of the key. */
  readonly header?: JsonObject
}

/**
 * Remembers tokens whose signature held, by the whole token. An entry says nothing about claims: every
 * use applies all claim rules anew, and counts only while the kid resolves to that very key object.
 */
export interface VerifiedCache {
  get(token: string): VerifiedEntry | undefined
  /** The parsed header of a segment under which some token's signature held. */
  header(segment: string): JsonObject | undefined
  set(token: string, entry: VerifiedEntry): void
  delete(token: string): void
  readonly entries: number
  /** An estimate from above of the memory that is held. */
  readonly bytes: number
}

/** All tokens of one key have one header, so a few are enough. */
const MAX_HEADERS = 64

/** A token's text, its claims as objects, and what the map itself needs. */
const BYTES_PER_CHARACTER = 5
const BYTES_PER_ENTRY = 512

/**
 * Makes a cache that is bounded by entries and by bytes. What was put in first goes first.
 *
 * @throws {TypeError} for a bound that is no positive whole number
 */
export function createVerifiedCache({
  maxEntries = 10_000,
  maxBytes = 32 * 1024 * 1024,
}: {
  readonly maxEntries?: number
  readonly maxBytes?: number
} = {}): VerifiedCache {
  for (const bound of [maxEntries, maxBytes]) {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new TypeError('maxEntries and maxBytes are positive whole numbers')
    }
  }
  const map = new Map<string, VerifiedEntry>()
  const headers = new Map<string, JsonObject>()
  let bytes = 0

  function remove(token: string): void {
    if (map.delete(token)) bytes -= costOf(token)
  }

  function rememberHeader(segment: string, header: JsonObject): void {
    if (headers.has(segment)) return
    if (headers.size >= MAX_HEADERS) headers.clear()
    headers.set(segment, deepFreeze(header))
  }

  return {
    get: (token) => map.get(token),
    header: (segment) => headers.get(segment),
    set(token, { key, claims, header }) {
      if (costOf(token) > maxBytes) return
      if (header) rememberHeader(token.slice(0, token.indexOf('.')), header)
      remove(token)
      map.set(token, { key, claims: deepFreeze(claims) })
      bytes += costOf(token)
      for (const oldest of map.keys()) {
        if (map.size <= maxEntries && bytes <= maxBytes) break
        remove(oldest)
      }
    },
    delete: remove,
    get entries() {
      return map.size
    },
    get bytes() {
      return bytes
    },
  }
}

function costOf(token: string): number {
  return BYTES_PER_ENTRY + BYTES_PER_CHARACTER * token.length
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFreeze(member)
  }
  return value
}
