import type { CryptoKey } from 'jose'
import { importJWK } from 'jose'
import { decodeBase64Url, encodeBase64, encodeBase64Url, utf8 } from '../bytes.ts'
import { AuthError } from '../errors.ts'
import type { PrivateJwk } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import { formatPingKey, type Ping, type SignedPing } from './ping.ts'

/** Signs pings, and tells the public key under which receivers verify them. */
export interface PingSigner {
  /** `whpk_…`, for the receivers' configuration. */
  readonly publicKey: string
  sign(ping: Ping, now: Seconds): Promise<SignedPing>
}

/**
 * Makes a signer of pings. With several keys, each ping bears one signature per key: the key that
 * signs pings turns too.
 *
 * @throws {AuthError} `jwk_invalid` where a key is not Ed25519
 * @see https://www.standardwebhooks.com (`v1a`: Ed25519 over `id.timestamp.body`)
 */
export async function createPingSigner(...jwks: readonly PrivateJwk[]): Promise<PingSigner> {
  const keys = await Promise.all(jwks.map(importKey))
  const raw = decodeBase64Url(String(jwks[0]?.x))
  if (!raw) throw new AuthError('jwk_invalid', 'a ping key is an Ed25519 key')
  return {
    publicKey: formatPingKey(raw),
    sign: (ping, now) => signPing(ping, keys, now),
  }
}

async function importKey({ kty, crv, x, d }: PrivateJwk): Promise<CryptoKey> {
  if (crv !== 'Ed25519') throw new AuthError('jwk_invalid', 'a ping key is an Ed25519 key')
  return (await importJWK({ kty, crv, x: String(x), d: String(d) }, 'EdDSA')) as CryptoKey
}

async function signPing(
  { type, data }: Ping,
  keys: readonly CryptoKey[],
  now: Seconds,
): Promise<SignedPing> {
  const id = `msg_${encodeBase64Url(crypto.getRandomValues(new Uint8Array(18)))}`
  const body = JSON.stringify({ type, data })
  const content = utf8(`${id}.${now}.${body}`)
  const signatures = await Promise.all(
    keys.map(async (key) => {
      const signature = await crypto.subtle.sign({ name: 'Ed25519' }, key, content)
      return `v1a,${encodeBase64(new Uint8Array(signature))}`
    }),
  )
  return {
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(now),
      'webhook-signature': signatures.join(' '),
    },
    body,
  }
}
