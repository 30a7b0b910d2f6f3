import { type CryptoKey, importJWK } from 'jose'
import { algorithmOf, type SignatureAlgorithm } from '../algorithms.ts'
import { encodeBase64Url, encodeBase64UrlText, utf8 } from '../bytes.ts'
import type { AccessTokenClaims } from '../claims.ts'
import { AuthError } from '../errors.ts'
import { importVerifyKey, type PrivateJwk, type PublicJwk, pick, publicJwkOf } from '../jwk.ts'
import type { Seconds } from '../time.ts'
import { parseCompact } from './format.ts'
import { verifySignature } from './verify.ts'

/** A private key that is ready to sign, and the public key that is published for it. */
export interface Signer {
  readonly jwk: PublicJwk
  readonly algorithm: SignatureAlgorithm
  readonly cryptoKey: CryptoKey
}

/**
 * Imports a private key and proves it: what it signs must verify under the public key that is
 * published. Runtimes import a private JWK whose public half does not belong to it.
 *
 * @throws {AuthError} `jwk_invalid`
 */
export async function createSigner(privateJwk: PrivateJwk, published: PublicJwk): Promise<Signer> {
  const algorithm = algorithmOf(privateJwk)
  if (!algorithm) {
    throw new AuthError('jwk_invalid', 'the key type is not one of the allowed algorithms')
  }
  const derived = await publicJwkOf(privateJwk)
  if (derived.kid !== published.kid) {
    throw new AuthError('jwk_invalid', 'the private key belongs to the published key', {
      kid: published.kid,
    })
  }
  const members = ['kty', ...algorithm.publicMembers, ...algorithm.privateMembers]
  const signer: Signer = {
    jwk: published,
    algorithm,
    cryptoKey: await importPrivate(pick(privateJwk, members)),
  }
  await proveSigner(signer)
  return signer

  async function importPrivate(material: Record<string, unknown>): Promise<CryptoKey> {
    try {
      return (await importJWK(material, algorithm?.alg)) as CryptoKey
    } catch (cause) {
      throw new AuthError('jwk_invalid', 'the private key imports', { kid: published.kid, cause })
    }
  }
}

async function proveSigner(signer: Signer): Promise<void> {
  const { exp: _, ...unending } = signer.jwk
  const proof = await signCompact(signer, {}, 'proof+jwt')
  try {
    await verifySignature(parseCompact(proof), await importVerifyKey(unending), 0)
  } catch (cause) {
    throw new AuthError('jwk_invalid', 'the private key matches its public half', {
      kid: signer.jwk.kid,
      cause,
    })
  }
}

/**
 * Signs an access token: header `alg`, `kid`, `typ: at+jwt`, and the claims as they are.
 *
 * @throws {AuthError} `mint_refused` for a token that would outlive its key
 * @see RFC 9068 section 2
 */
export async function signAccessToken(signer: Signer, claims: AccessTokenClaims): Promise<string> {
  const end: Seconds | undefined = signer.jwk.exp
  if (end !== undefined && claims.exp > end) {
    throw new AuthError('mint_refused', 'a token ends before its key', { kid: signer.jwk.kid })
  }
  return await signCompact(signer, claims, 'at+jwt')
}

/** Directly through WebCrypto: through jose it costs a tenth more. */
async function signCompact(
  { jwk, algorithm, cryptoKey }: Signer,
  payload: object,
  typ: string,
): Promise<string> {
  const header = JSON.stringify({ alg: jwk.alg, kid: jwk.kid, typ })
  const input = `${encodeBase64UrlText(header)}.${encodeBase64UrlText(JSON.stringify(payload))}`
  const signature = await crypto.subtle.sign(algorithm.signatureParams, cryptoKey, utf8(input))
  return `${input}.${encodeBase64Url(new Uint8Array(signature))}`
}
