import { AuthError } from '../errors.ts'
import { isJsonObject } from '../json.ts'
import { isKid } from '../jwk.ts'
import { jwksDigest, type PublicJwks } from '../jwks.ts'
import type { Seconds } from '../time.ts'

/**
 * The answer to a ping: which key set the answering side holds. It is asked for when it is needed
 * and stored nowhere.
 *
 * ```json
 * { "revision": 1795226780998, "jwks_sha256": "…", "kids": ["…"], "revoked": [], "age": 7 }
 * ```
 */
export interface Acknowledgement {
  readonly revision: number
  /** `jwksDigest` of the keys that are held. */
  readonly jwks_sha256: string
  readonly kids: readonly string[]
  readonly revoked: readonly string[]
  /** For how long exactly these keys have been held, by the answering side's own clock. */
  readonly age: Seconds
}

/** Acknowledges a key set that has been held for `age` seconds. */
export async function acknowledge(jwks: PublicJwks, age: Seconds): Promise<Acknowledgement> {
  return {
    revision: jwks.revision ?? 0,
    jwks_sha256: await jwksDigest(jwks),
    kids: jwks.keys.map(({ kid }) => kid),
    revoked: jwks.revoked,
    age,
  }
}

/** Reads an acknowledgement. @throws {AuthError} `ping_invalid` */
export function parseAcknowledgement(value: unknown): Acknowledgement {
  if (!isJsonObject(value)) throw invalid('an acknowledgement is a JSON object')
  const { revision, jwks_sha256, kids, revoked, age = 0 } = value
  if (!Number.isSafeInteger(revision)) throw invalid('revision is a whole number')
  if (typeof jwks_sha256 !== 'string') throw invalid('jwks_sha256 is a string')
  if (!isKids(kids) || !isKids(revoked)) throw invalid('kids and revoked are arrays of kids')
  if (typeof age !== 'number' || !(age >= 0)) throw invalid('age is in seconds')
  return { revision: revision as number, jwks_sha256, kids, revoked, age }
}

function isKids(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isKid)
}

function invalid(message: string): AuthError {
  return new AuthError('ping_invalid', message)
}
