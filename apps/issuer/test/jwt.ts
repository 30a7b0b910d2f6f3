import type { JsonObject } from '@keyturn/auth-core'

function part(token: string, index: number): JsonObject {
  return JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString())
}

/** The claims of a token, unverified: what a test looks at. */
export const decodeJwt = (token: string): JsonObject => part(token, 1)

/** The header of a token. */
export const decodeProtectedHeader = (token: string): JsonObject => part(token, 0)
