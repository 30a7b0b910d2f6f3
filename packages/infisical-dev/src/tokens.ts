import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'

import { refuse } from './errors.ts'

/**
 * What an access token says. A user's token has no `exp`; the `exp` of an identity's is its max
 * TTL, not its TTL.
 */
const claimsSchema = z.discriminatedUnion('authTokenType', [
  z.object({
    authTokenType: z.literal('accessToken'),
    userId: z.string(),
    organizationId: z.string(),
    iat: z.number(),
  }),
  z.object({
    authTokenType: z.literal('identityAccessToken'),
    identityId: z.string(),
    clientSecretId: z.string(),
    identityAccessTokenId: z.string(),
    iat: z.number(),
    exp: z.number().optional(),
  }),
])

export type TokenClaims = z.infer<typeof claimsSchema>

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const mac = (input: string, secret: string) =>
  createHmac('sha256', secret).update(input).digest('base64url')

/** @returns a compact HS256 JWT */
export function signToken(claims: TokenClaims, secret: string): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${input}.${mac(input, secret)}`
}

/**
 * Checks form, algorithm, signature and `exp`, in this order. Whether the token still exists is
 * not asked here.
 *
 * @throws {ApiError} 403 TokenError
 */
export function verifyToken(token: string, secret: string, nowMs: number): TokenClaims {
  const [header, payload, signature, ...rest] = token.split('.')
  if (header === undefined || payload === undefined || signature === undefined || rest.length) {
    throw refuse.tokenMalformed()
  }
  const { alg } = parsePart(z.object({ alg: z.string() }), header)
  if (signature === '') throw refuse.tokenUnsigned()
  if (alg !== 'HS256') throw refuse.tokenBadAlgorithm()
  const expected = Buffer.from(mac(`${header}.${payload}`, secret))
  const given = Buffer.from(signature)
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) {
    throw refuse.tokenBadSignature()
  }
  const claims = parsePart(claimsSchema, payload)
  if ('exp' in claims && claims.exp !== undefined && nowMs >= claims.exp * 1000) {
    throw refuse.tokenExpired()
  }
  return claims
}

function parsePart<Part>(schema: z.ZodType<Part>, part: string): Part {
  try {
    return schema.parse(JSON.parse(Buffer.from(part, 'base64url').toString()))
  } catch {
    // The wire says only that the token is malformed; which part it was is of no use to a caller.
    throw refuse.tokenMalformed()
  }
}
