import { exportJWK, generateKeyPair } from 'jose'
import { type AlgorithmName, algorithmOf, findAlgorithm } from '../algorithms.ts'
import { AuthError } from '../errors.ts'
import { type PrivateJwk, pick, publicJwkOf } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import type { KeyringKey } from './keyring.ts'

/**
 * Makes a key that is staged at `now`: not signing yet, its kid the RFC 7638 thumbprint.
 *
 * @throws {AuthError} `jwk_invalid` for an algorithm that only verifies here
 */
export async function generateFreshKey(alg: AlgorithmName, now: Seconds): Promise<KeyringKey> {
  if (!findAlgorithm(alg)?.signs) {
    throw new AuthError('jwk_invalid', 'alg is an algorithm that signs here')
  }
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const material = await exportJWK(privateKey)
  const jwk = { ...(await publicJwkOf(material)), iat: now }
  return { kid: jwk.kid, jwk, privateJwk: privateJwkOf(material, jwk.kid) }
}

/**
 * A private JWK reduced to its key material, with the kid and algorithm that follow from it.
 *
 * @throws {AuthError} `jwk_invalid` where a private member is missing
 */
export function privateJwkOf(material: Record<string, unknown>, kid: string): PrivateJwk {
  const algorithm = algorithmOf(material)
  if (!algorithm) throw new AuthError('jwk_invalid', 'the key type is an allowed algorithm')
  const { privateMembers } = algorithm
  if (!privateMembers.every((name) => typeof material[name] === 'string')) {
    throw new AuthError('jwk_invalid', 'a private key has every private member')
  }
  const names = ['kty', ...algorithm.publicMembers, ...privateMembers]
  return { ...pick(material, names), kid, alg: algorithm.alg } as PrivateJwk
}
