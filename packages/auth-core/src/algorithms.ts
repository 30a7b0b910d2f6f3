import type { JsonObject } from './json.ts'
import {
  checkEc256,
  checkEd25519,
  checkMlDsa,
  checkRsa,
  RSA_BITS,
  rsaModulusBytes,
} from './key-checks.ts'

/** The JWS algorithms that exist here. Symmetric ones do not. */
export type AlgorithmName = 'EdDSA' | 'ES256' | 'RS256' | 'PS256' | 'ML-DSA-44' | 'ML-DSA-65'

/** How WebCrypto is told which signature to make or verify. */
export type SignatureParams =
  | { readonly name: 'Ed25519' | 'RSASSA-PKCS1-v1_5' | 'ML-DSA-44' | 'ML-DSA-65' }
  | { readonly name: 'ECDSA'; readonly hash: 'SHA-256' }
  | { readonly name: 'RSA-PSS'; readonly saltLength: 32 }

/**
 * One signature algorithm: the differences between algorithms are data, and this is all of them.
 *
 * @see RFC 7518 section 3, RFC 8037, RFC 9964 (ML-DSA)
 */
export interface SignatureAlgorithm {
  readonly alg: AlgorithmName
  readonly kty: string
  /** The members of a public key that exist for this algorithm, besides `kty`. */
  readonly publicMembers: readonly string[]
  /** The members that make it a private key. */
  readonly privateMembers: readonly string[]
  readonly signatureParams: SignatureParams
  /** Whether keys of this algorithm are made and sign here, or only verify. */
  readonly signs: boolean
  /** Whether a public JWK of the right `kty` is a key of this algorithm. */
  fits(jwk: JsonObject): boolean
  /** The longest signature of any key that is allowed here. */
  readonly maxSignatureBytes: number
  /** The length of a signature under this key. */
  signatureBytes(jwk: JsonObject): number
  /** @throws {AuthError} `jwk_invalid` for a weak or malformed public key */
  checkPublicKey(jwk: JsonObject): void
}

const EdDSA: SignatureAlgorithm = {
  alg: 'EdDSA',
  kty: 'OKP',
  publicMembers: ['crv', 'x'],
  privateMembers: ['d'],
  signatureParams: { name: 'Ed25519' },
  signs: true,
  fits: ({ crv }) => crv === 'Ed25519',
  maxSignatureBytes: 64,
  signatureBytes: () => 64,
  checkPublicKey: ({ x }) => checkEd25519(x),
}

const ES256: SignatureAlgorithm = {
  alg: 'ES256',
  kty: 'EC',
  publicMembers: ['crv', 'x', 'y'],
  privateMembers: ['d'],
  signatureParams: { name: 'ECDSA', hash: 'SHA-256' },
  signs: true,
  fits: ({ crv }) => crv === 'P-256',
  maxSignatureBytes: 64,
  signatureBytes: () => 64,
  checkPublicKey: ({ x, y }) => checkEc256(x, y),
}

const RS256: SignatureAlgorithm = {
  alg: 'RS256',
  kty: 'RSA',
  publicMembers: ['n', 'e'],
  privateMembers: ['d', 'p', 'q', 'dp', 'dq', 'qi'],
  signatureParams: { name: 'RSASSA-PKCS1-v1_5' },
  signs: true,
  fits: ({ alg }) => alg === undefined || alg === 'RS256',
  maxSignatureBytes: RSA_BITS.max / 8,
  signatureBytes: ({ n }) => rsaModulusBytes(n),
  checkPublicKey: ({ n, e }) => checkRsa(n, e),
}

const PS256: SignatureAlgorithm = {
  ...RS256,
  alg: 'PS256',
  signatureParams: { name: 'RSA-PSS', saltLength: 32 },
  signs: false,
  fits: ({ alg }) => alg === 'PS256',
}

function mlDsa(
  alg: 'ML-DSA-44' | 'ML-DSA-65',
  bytes: { readonly publicKey: number; readonly signature: number },
): SignatureAlgorithm {
  return {
    alg,
    kty: 'AKP',
    publicMembers: ['alg', 'pub'],
    privateMembers: ['priv'],
    signatureParams: { name: alg },
    signs: true,
    fits: (jwk) => jwk.alg === alg,
    maxSignatureBytes: bytes.signature,
    signatureBytes: () => bytes.signature,
    checkPublicKey: ({ pub }) => checkMlDsa(pub, bytes.publicKey),
  }
}

const TABLE: Readonly<Record<AlgorithmName, SignatureAlgorithm>> = {
  EdDSA,
  ES256,
  RS256,
  PS256,
  'ML-DSA-44': mlDsa('ML-DSA-44', { publicKey: 1312, signature: 2420 }),
  'ML-DSA-65': mlDsa('ML-DSA-65', { publicKey: 1952, signature: 3309 }),
}

/** Every algorithm that exists here. */
export const ALGORITHM_NAMES = Object.keys(TABLE) as readonly AlgorithmName[]

/** The longest token that is looked at, whatever its algorithm: 8 KiB of ASCII. */
export const MAX_TOKEN_BYTES = 8192

/**
 * The longest token of these algorithms. Header and payload have the same room under each of them:
 * what the longest signature that exists here leaves of 8 KiB.
 */
export function maxTokenBytes(algorithms: readonly AlgorithmName[]): number {
  return MAX_TOKEN_BYTES - longestSignature(ALGORITHM_NAMES) + longestSignature(algorithms)
}

function longestSignature(algorithms: readonly AlgorithmName[]): number {
  const bytes = Math.max(...algorithms.map((alg) => TABLE[alg].maxSignatureBytes))
  return Math.ceil((bytes * 4) / 3)
}

/** The entry for a name from outside, or `undefined` where no such algorithm exists here. */
export function findAlgorithm(alg: unknown): SignatureAlgorithm | undefined {
  return typeof alg === 'string' && Object.hasOwn(TABLE, alg)
    ? TABLE[alg as AlgorithmName]
    : undefined
}

/** The one algorithm of a JWK: from its type, curve or own `alg`, never from a token. */
export function algorithmOf(jwk: JsonObject): SignatureAlgorithm | undefined {
  return Object.values(TABLE).find((entry) => entry.kty === jwk.kty && entry.fits(jwk))
}
