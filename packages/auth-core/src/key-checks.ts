import { decodeBase64Url } from './bytes.ts'
import { AuthError } from './errors.ts'

/**
 * The y coordinates (little-endian) of the Ed25519 points of small order. Such keys import
 * everywhere and then verify forgeries.
 */
const SMALL_ORDER_Y: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]

/**
 * Refuses an Ed25519 public key that is not 32 canonical bytes, is of small order, or spells its y
 * coordinate unreduced.
 *
 * @throws {AuthError} `jwk_invalid`
 * @see RFC 8032 section 5.1.3
 */
export function checkEd25519(x: unknown): void {
  const point = bytesOf(x, 'x')
  if (point.length !== 32) throw invalid('x of an Ed25519 key has 32 bytes')
  // The top bit is the sign of x; without it the same y counts under both spellings.
  point[31] = (point[31] ?? 0) & 0x7f
  const hex = toHex(point)
  if (SMALL_ORDER_Y.includes(hex)) throw invalid('an Ed25519 key is not of small order')
  // p = 2^255 - 19: in little-endian, ed ff … ff 7f and above are not reduced.
  if (/^(e[d-f]|f.)(ff){30}7f$/.test(hex)) throw invalid('an Ed25519 key is canonical')
}

const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
}

/**
 * Refuses a P-256 public key whose coordinates are not 32 canonical bytes each or not on the curve.
 *
 * @throws {AuthError} `jwk_invalid`
 * @see RFC 7518 section 6.2.1
 */
export function checkEc256(x: unknown, y: unknown): void {
  const [xBytes, yBytes] = [bytesOf(x, 'x'), bytesOf(y, 'y')]
  if (xBytes.length !== 32 || yBytes.length !== 32) {
    throw invalid('x and y of a P-256 key have 32 bytes each')
  }
  const { p, b } = P256
  const [xInt, yInt] = [toInteger(xBytes), toInteger(yBytes)]
  const onCurve = (yInt * yInt - (xInt * xInt * xInt - 3n * xInt + b)) % p === 0n
  if (xInt >= p || yInt >= p || !onCurve) throw invalid('a P-256 key is a point of the curve')
}

/** How many bits an RSA key may have. */
export const RSA_BITS = { min: 2048, max: 8192 }

/**
 * Refuses an RSA public key of less than 2048 or more than 8192 bits, with an exponent that is even
 * or 1, or with the fingerprint of the ROCA generator.
 *
 * @throws {AuthError} `jwk_invalid`
 * @see RFC 7518 section 3.3, CVE-2017-15361
 */
export function checkRsa(n: unknown, e: unknown): void {
  const modulus = toInteger(bytesOf(n, 'n'))
  const exponent = toInteger(bytesOf(e, 'e'))
  const bits = modulus.toString(2).length
  if (bits < RSA_BITS.min || bits > RSA_BITS.max) {
    throw invalid(`an RSA key has ${RSA_BITS.min} to ${RSA_BITS.max} bits`)
  }
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 2n ** 64n) {
    throw invalid('the exponent of an RSA key is odd, from 3 on')
  }
  if (modulus % 2n === 0n || hasRocaFingerprint(modulus)) throw invalid('an RSA key is not weak')
}

/** The length of an RSA signature. */
export function rsaModulusBytes(n: unknown): number {
  return Math.ceil(toInteger(bytesOf(n, 'n')).toString(2).length / 8)
}

const ROCA_PRIMES: readonly number[] = [
  11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
]

/** Whether the modulus is, modulo every one of these primes, a power of 65537. */
function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const rest = Number(modulus % BigInt(prime))
    let power = 1
    for (let exponent = 0; exponent < prime; exponent++) {
      if (power === rest) return true
      power = (power * 65_537) % prime
    }
    return false
  })
}

/** Refuses an ML-DSA public key of another length. @throws {AuthError} `jwk_invalid` */
export function checkMlDsa(pub: unknown, length: number): void {
  if (bytesOf(pub, 'pub').length !== length) throw invalid(`pub of this key has ${length} bytes`)
}

function bytesOf(value: unknown, name: string): Uint8Array {
  const bytes = typeof value === 'string' ? decodeBase64Url(value) : undefined
  if (!bytes?.length) throw invalid(`${name} is canonical base64url`)
  return bytes
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function invalid(message: string): AuthError {
  return new AuthError('jwk_invalid', message)
}
