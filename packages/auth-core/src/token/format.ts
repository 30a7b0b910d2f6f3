import { MAX_TOKEN_BYTES } from '../algorithms.ts'
import { decodeBase64Url, decodeBase64UrlText, utf8 } from '../bytes.ts'
import { AuthError } from '../errors.ts'
import { type JsonObject, parseJsonObject } from '../json.ts'
import { isInstant, isKid } from '../jwk.ts'
import type { Seconds } from '../time.ts'

/** A JWS taken apart. Nothing of it is trusted yet. */
export interface CompactJws {
  readonly header: JsonObject
  /** What was signed: header and payload segments with the dot between them. */
  readonly signingInput: Uint8Array<ArrayBuffer>
  readonly signature: Uint8Array<ArrayBuffer>
  readonly payloadSegment: string
}

/** The header of a token of ours. */
export interface TokenHeader {
  readonly alg: string
  readonly kid: string
  /** Lower case, without the prefix `application/`. */
  readonly typ: string
}

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
const HEADER_MEMBERS: readonly string[] = ['alg', 'kid', 'typ']

/**
 * Takes a JWS in compact form apart.
 *
 * Checks, in order: a string of at most `maxBytes` (8 KiB); three non-empty base64url segments and nothing else
 * (so no JSON form, no JWE, no padding, no white space); header and signature canonical; a header
 * that is one JSON object without duplicate names. Not checked: what the header says.
 * `knownHeader` answers for header segments that were parsed before.
 *
 * @throws {AuthError} `token_too_large`, `token_malformed`, `header_invalid`
 * @see RFC 7515 section 3.1, RFC 8725 section 3.14
 */
export function parseCompact(
  token: unknown,
  {
    maxBytes = MAX_TOKEN_BYTES,
    knownHeader,
  }: {
    readonly maxBytes?: number
    readonly knownHeader?: ((segment: string) => JsonObject | undefined) | undefined
  } = {},
): CompactJws {
  if (typeof token !== 'string') throw malformed('a token is a string')
  if (token.length > maxBytes) {
    throw new AuthError('token_too_large', `a token has at most ${maxBytes} bytes`)
  }
  if (!COMPACT.test(token)) throw malformed('a token is three base64url segments with two dots')
  const headerEnd = token.indexOf('.')
  const payloadEnd = token.lastIndexOf('.')
  const headerSegment = token.slice(0, headerEnd)
  const header = knownHeader?.(headerSegment) ?? decodeHeader(headerSegment)
  const signature = decodeBase64Url(token.slice(payloadEnd + 1))
  if (!signature) throw malformed('the segments are canonical base64url')
  return {
    header,
    signingInput: utf8(token.slice(0, payloadEnd)),
    signature,
    payloadSegment: token.slice(headerEnd + 1, payloadEnd),
  }
}

function decodeHeader(segment: string): JsonObject {
  const text = decodeBase64UrlText(segment)
  if (text === undefined) throw malformed('the segments are canonical base64url')
  const header = parseJsonObject(text)
  if (!header) throw invalid('the header is one JSON object without duplicate names')
  return header
}

/**
 * Reads the header of an access token: exactly `alg`, `kid` and `typ`, all strings. Other members are
 * refused, since each of them either changes what is verified (`crit b64 zip cty`) or offers a key
 * (`jwk jku x5u x5c x5t`).
 *
 * @throws {AuthError} `header_invalid`
 * @see RFC 7515 section 4, RFC 9068 section 2.1
 */
export function parseTokenHeader(header: JsonObject): TokenHeader {
  if (Object.keys(header).some((name) => !HEADER_MEMBERS.includes(name))) {
    throw invalid('the header has the members alg, kid and typ only')
  }
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || typeof typ !== 'string' || !isKid(kid)) {
    throw invalid('alg, kid and typ are strings')
  }
  return { alg, kid, typ: typ.toLowerCase().replace(/^application\//, '') }
}

/** Decodes the payload, or answers `undefined` where it is not one clean JSON object. */
export function decodePayload({ payloadSegment }: CompactJws): JsonObject | undefined {
  const text = decodeBase64UrlText(payloadSegment)
  return text === undefined ? undefined : parseJsonObject(text)
}

/**
 * The `iat` that an unverified token claims, for one purpose: to decide whether a key set is recent
 * enough to say that the token's kid does not exist.
 */
export function claimedIat(token: CompactJws): Seconds | undefined {
  const iat = decodePayload(token)?.iat
  return isInstant(iat) ? iat : undefined
}

function malformed(message: string): AuthError {
  return new AuthError('token_malformed', message)
}

function invalid(message: string): AuthError {
  return new AuthError('header_invalid', message)
}
