import { exportJWK, generateKeyPair } from 'jose'
import { type AlgorithmName, algorithmOf } from '../algorithms.ts'
import { AuthError } from '../errors.ts'
import { type PrivateJwk, pick, publicJwkOf } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import type { KeyringKey } from './keyring.ts'

/** Makes a key that is staged at `now`: not signing yet, its kid the RFC 7638 thumbprint. */
export async function generateFreshKey(alg: AlgorithmName, now: Seconds): Promise<KeyringKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const material = await exportJWK(privateKey)
  const jwk = { ...(await publicJwkOf(material)), iat: now }
  return { kid: jwk.kid, jwk, privateJwk: privateJwkOf(material, jwk.kid) }
}

/** A private JWK reduced to its key material, with the kid and algorithm that follow from it. */
export function privateJwkOf(material: Record<string, unknown>, kid: string): PrivateJwk {
  const algorithm = algorithmOf(material)
  if (!algorithm) throw new AuthError('jwk_invalid', 'the key type is an allowed algorithm')
  const names = ['kty', ...algorithm.publicMembers, ...algorithm.privateMembers]
  return { ...pick(material, names), kid, alg: algorithm.alg } as PrivateJwk
}
