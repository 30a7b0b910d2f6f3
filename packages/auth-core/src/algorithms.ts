import { decodeBase64Url } from './bytes.ts'
import { AuthError } from './errors.ts'
import type { JsonObject } from './json.ts'

/** The JWS algorithms that exist here. Symmetric ones do not. */
export type AlgorithmName = 'EdDSA'

/**
 * One signature algorithm: the differences between algorithms are data, and this is all of them.
 *
 * @see RFC 7518 section 3, RFC 8037
 */
export interface SignatureAlgorithm {
  readonly alg: AlgorithmName
  readonly kty: string
  /** The members of a public key that exist for this algorithm, besides `kty`. */
  readonly publicMembers: readonly string[]
  /** The members that make it a private key. */
  readonly privateMembers: readonly string[]
  readonly keyParams: { readonly name: string }
  readonly signatureParams: { readonly name: string }
  readonly signatureBytes: number
  /** Whether a public JWK is of this algorithm's kind (its curve, where there is one). */
  fits(jwk: JsonObject): boolean
  /** @throws {AuthError} `jwk_invalid` for a weak or malformed public key */
  checkPublicKey(jwk: JsonObject): void
}

const EdDSA: SignatureAlgorithm = {
  alg: 'EdDSA',
  kty: 'OKP',
  publicMembers: ['crv', 'x'],
  privateMembers: ['d'],
  keyParams: { name: 'Ed25519' },
  signatureParams: { name: 'Ed25519' },
  signatureBytes: 64,
  fits: (jwk) => jwk.crv === 'Ed25519',
  checkPublicKey: (jwk) => checkEd25519Point(jwk.x),
}

const TABLE: Readonly<Record<AlgorithmName, SignatureAlgorithm>> = { EdDSA }

/** Every algorithm that exists here. */
export const ALGORITHM_NAMES = Object.keys(TABLE) as readonly AlgorithmName[]

/** The entry for a name from outside, or `undefined` where no such algorithm exists here. */
export function findAlgorithm(alg: unknown): SignatureAlgorithm | undefined {
  return typeof alg === 'string' && Object.hasOwn(TABLE, alg)
    ? TABLE[alg as AlgorithmName]
    : undefined
}

/** The one algorithm of a public JWK: from its type and curve, never from a token. */
export function algorithmOf(jwk: JsonObject): SignatureAlgorithm | undefined {
  return Object.values(TABLE).find((entry) => entry.kty === jwk.kty && entry.fits(jwk))
}

/**
 * The y coordinates (little-endian) of the points of small order. Such keys import everywhere and
 * then verify forgeries.
 */
const SMALL_ORDER_Y: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]

function checkEd25519Point(x: unknown): void {
  const point = typeof x === 'string' ? decodeBase64Url(x) : undefined
  if (point?.length !== 32)
    throw invalid('an Ed25519 key has 32 bytes in x, in canonical base64url')
  // The top bit is the sign of x; without it the same y counts under both spellings.
  point[31] = (point[31] ?? 0) & 0x7f
  const hex = Array.from(point, (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (SMALL_ORDER_Y.includes(hex)) throw invalid('an Ed25519 key of small order is refused')
  // p = 2^255 - 19: in little-endian, ed ff … ff 7f and above are not reduced.
  if (/^(e[d-f]|f.)(ff){30}7f$/.test(hex)) throw invalid('a non-canonical Ed25519 key is refused')
}

function invalid(message: string): AuthError {
  return new AuthError('jwk_invalid', message)
}
