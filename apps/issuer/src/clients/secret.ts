import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type ClientSecret, LIVE_SECRETS } from './client.ts'

/** Makes a client secret: 256 random bits in base64url. */
export function generateSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Makes a client id: 128 random bits, in letters that need no encoding in any form. */
export function generateClientId(): string {
  return `c${randomBytes(16).toString('hex')}`
}

/**
 * The form in which a secret is stored. A fast digest is enough: only generated secrets of 256 bits
 * exist, and nobody guesses those.
 */
export function digestSecret(secret: string): Uint8Array {
  return hash('sha256', secret, 'buffer')
}

const NO_SECRET = new Uint8Array(32)

/**
 * Whether a presented secret is one of the live ones. It costs the same for no secret, one or two,
 * so that the answer to an unknown client takes as long as that to a wrong secret.
 */
export function matchesSecret(presented: string, live: readonly ClientSecret[]): boolean {
  const digest = digestSecret(presented)
  let matches = false
  for (let slot = 0; slot < LIVE_SECRETS; slot++) {
    const stored = live[slot]?.sha256 ?? NO_SECRET
    matches = timingSafeEqual(digest, stored) || matches
  }
  return matches
}
