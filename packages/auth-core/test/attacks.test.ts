import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createVerifiedCache,
  defineExpected,
  importKeySet,
  parseJsonObject,
  parseJwks,
  type ResolveKey,
  verifyToken,
} from '../src/index.ts'
import {
  apply,
  createSigner,
  currentKey,
  definePolicy,
  formatKeyring,
  generateFreshKey,
  type Keyring,
  type KeyringKey,
  parseKeyring,
  publishJwks,
  signAccessToken,
} from '../src/signing.ts'
import {
  AUDIENCE,
  base64url,
  claims,
  codeOf,
  forge,
  header,
  ISSUER,
  NOW,
  publicJwk,
  RFC8037,
  resolverFor,
  sampleKeyring,
  signRaw,
} from './fixtures.ts'

const expected = defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance: 60 })
const resolveKey = await resolverFor({ keys: [publicJwk] })

async function verdict(token: unknown, key: ResolveKey = resolveKey): Promise<unknown> {
  return await codeOf(() => verifyToken(token, { resolveKey: key, expected, now: NOW }))
}

const bytesOf = (text: string) => new Uint8Array(new TextEncoder().encode(text))

/** An HS token of an attacker who keys the MAC with bytes that are public. */
async function hmacToken(alg: string, secret: Uint8Array<ArrayBuffer>, kid: string) {
  const params = { name: 'HMAC', hash: `SHA-${alg.slice(2)}` }
  const key = await crypto.subtle.importKey('raw', secret, params, false, ['sign'])
  const head = base64url(JSON.stringify({ alg, kid, typ: 'at+jwt' }))
  const input = `${head}.${base64url(JSON.stringify(claims))}`
  const mac = await crypto.subtle.sign('HMAC', key, bytesOf(input))
  return `${input}.${base64url(new Uint8Array(mac))}`
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const nextLetter = (letter = '') => ALPHABET[ALPHABET.indexOf(letter) + 1] ?? ''

/** Signs header and payload segments as they are spelled. */
async function signSegments(segments: readonly string[]): Promise<string> {
  const key = await crypto.subtle.importKey('jwk', RFC8037.private, 'Ed25519', false, ['sign'])
  const input = segments.join('.')
  const signature = await crypto.subtle.sign('Ed25519', key, bytesOf(input))
  return `${input}.${base64url(new Uint8Array(signature))}`
}

describe('parsing', () => {
  it('attack 3: refuses unused bits that are set, also where the signature covers them', async () => {
    // With a length that 3 does not divide, the last letter of a segment has unused bits.
    const spaced = (json: string) => (json.length % 3 === 0 ? `${json} ` : json)
    const segments = [header, claims].map((value) => base64url(spaced(JSON.stringify(value))))
    expect(await verdict(await signSegments(segments))).toBe('accepted')
    for (const at of [0, 1]) {
      const changed = segments.map((text, index) =>
        index === at ? `${text.slice(0, -1)}${nextLetter(text.at(-1))}` : text,
      )
      expect(await verdict(await signSegments(changed))).toBe('token_malformed')
    }
  })

  it('attack 4 and 16: refuses the JSON forms, as text and as an object', async () => {
    const [head, payload, signature] = (await forge()).split('.')
    const unprotected = { payload, signatures: [{ header, signature }] }
    const flattened = { protected: head, payload, signature, header: { alg: 'EdDSA' } }
    const polyglot = { protected: head, [await forge()]: '', payload, signature }
    for (const form of [unprotected, flattened, polyglot]) {
      expect(await verdict(form)).toBe('token_malformed')
      expect(await verdict(JSON.stringify(form))).toBe('token_malformed')
    }
  })

  it('attack 5: refuses a JWE without deriving or inflating anything of it', async () => {
    const bomb = {
      alg: 'PBES2-HS256+A128KW',
      enc: 'A128GCM',
      p2c: 2 ** 31 - 1,
      p2s: 'AA',
      zip: 'DEF',
    }
    const startedAt = performance.now()
    expect(await verdict(`${base64url(JSON.stringify(bomb))}.AAAA.AAAA.AAAA.AAAA`)).toBe(
      'token_malformed',
    )
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  it('attack 9: refuses 100,000 levels in header, payload and key set', async () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const unclosed = `{"a":${'['.repeat(100_000)}`
    const signature = 'A'.repeat(86)
    for (const text of [deep, unclosed]) {
      expect(await verdict(`${btoa(text)}.e30.${signature}`)).toBe('token_too_large')
      expect(await verdict(`e30.${btoa(text)}.${signature}`)).toBe('token_too_large')
      expect(parseJsonObject(text)).toBeUndefined()
    }
    let nested: unknown = []
    for (let level = 0; level < 100_000; level++) nested = [nested]
    expect(await codeOf(() => parseJwks({ keys: [{ ...publicJwk, x: nested }] }))).toBe(
      'jwks_invalid',
    )
    expect(await codeOf(() => parseJwks({ keys: nested }))).toBe('jwks_invalid')
  })

  it('attack 9: refuses as deep a header as fits into a token', async () => {
    const text = `{"a":${'['.repeat(2900)}${']'.repeat(2900)}}`
    expect(await verdict(await signRaw(text, '{}'))).toBe('header_invalid')
  })
})

describe('algorithm', () => {
  it('attack 12: refuses HMAC keyed with any published form of the key', async () => {
    const x = Uint8Array.from(
      atob(RFC8037.public.x.replaceAll('-', '+').replaceAll('_', '/')),
      (char) => char.charCodeAt(0),
    )
    const prefix = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]
    const spki = new Uint8Array([...prefix, ...x])
    const pem = `-----BEGIN PUBLIC KEY-----\n${btoa(String.fromCharCode(...spki))}\n-----END PUBLIC KEY-----\n`
    const texts = [
      RFC8037.public.x,
      JSON.stringify(RFC8037.public),
      JSON.stringify(publicJwk),
      JSON.stringify({ keys: [publicJwk] }),
      pem,
      pem.trimEnd(),
      `\n${pem}`,
      ` ${pem}`,
    ]
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      for (const secret of [x, spki, ...texts.map(bytesOf)]) {
        expect(await verdict(await hmacToken(alg, secret, RFC8037.kid))).toBe('alg_mismatch')
      }
    }
  })

  it('attack 13: refuses HMAC under the empty key, for a kid that is known or not', async () => {
    // HMAC pads its key with zeros: 64 of them and none at all are one key (RFC 2104 section 2).
    const empty = new Uint8Array(64)
    expect(await verdict(await hmacToken('HS256', empty, RFC8037.kid))).toBe('alg_mismatch')
    expect(await verdict(await hmacToken('HS256', empty, 'unknown'))).toBe('key_unknown')
  })

  it('attack 14: takes the algorithm of a key without alg from its type', async () => {
    const { alg: _, ...silent } = publicJwk
    const key = await resolverFor({ keys: [silent] })
    expect(await verdict(await forge(), key)).toBe('accepted')
    for (const alg of ['HS256', 'ES256', 'Ed25519', 'none']) {
      expect(await verdict(await forge(claims, { ...header, alg }), key)).toBe('alg_mismatch')
    }
  })

  it('attack 15: refuses a header that names the algorithm of another key', async () => {
    const ec = await generateFreshKey('ES256', NOW - 10)
    const both = await resolverFor({ keys: [publicJwk, ec.jwk] })
    expect(await verdict(await forge(claims, { ...header, kid: ec.kid }), both)).toBe(
      'alg_mismatch',
    )
    expect(await verdict(await forge(claims, { ...header, alg: 'ES256' }), both)).toBe(
      'alg_mismatch',
    )
    const crossed = await forge(claims, { ...header, alg: 'ES256', kid: ec.kid })
    expect(await verdict(crossed, both)).toBe('signature_invalid')
  })

  it('attack 15: never uses a key that is not for signatures', async () => {
    const foreign = [
      { ...publicJwk, kid: 'ed448', crv: 'Ed448' },
      { ...publicJwk, kid: 'x25519', crv: 'X25519' },
      { ...publicJwk, kid: 'enc', use: 'enc' },
      { ...publicJwk, kid: 'ops', key_ops: ['encrypt'] },
    ]
    const keys = await resolverFor({ keys: [publicJwk, ...foreign] })
    for (const { kid } of foreign) {
      expect(await verdict(await forge(claims, { ...header, kid }), keys)).toBe('key_unknown')
    }
  })
})

describe('ES256', async () => {
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const { kid, jwk, privateJwk } = await generateFreshKey('ES256', NOW - 10)
  if (!privateJwk) throw new TypeError('a fresh key has a private half')
  const token = await signAccessToken(await createSigner(privateJwk, jwk), claims)
  const [head = '', payload = '', text = ''] = token.split('.')
  const signature = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
    char.charCodeAt(0),
  )
  const keys = await resolverFor({ keys: [{ ...jwk, kid }] })
  const judge = (bytes: Uint8Array) => verdict(`${head}.${payload}.${base64url(bytes)}`, keys)

  const numberOf = (bytes: Uint8Array) =>
    bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const bytesOfNumber = (value: bigint) =>
    Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * (31 - at))) & 255n))
  const join = (r: bigint, s: bigint) => new Uint8Array([...bytesOfNumber(r), ...bytesOfNumber(s)])
  const r = numberOf(signature.slice(0, 32))
  const s = numberOf(signature.slice(32))

  it('takes an honest token, and the other spelling of its signature: nothing here tells tokens apart by it', async () => {
    expect(await judge(join(r, s))).toBe('accepted')
    expect(await judge(join(r, n - s))).toBe('accepted')
  })

  it('attack 17: refuses r or s of 0, of n and above', async () => {
    const max = 2n ** 256n - 1n
    const bad: readonly (readonly [bigint, bigint])[] = [
      [0n, 0n],
      [0n, s],
      [r, 0n],
      [0n, 1n],
      [1n, 0n],
      [n, n],
      [n, s],
      [r, n],
      [n, 0n],
      [n - 1n, n - 1n],
      [1n, 1n],
      [n + 1n, s],
      [r, n + 1n],
      [max, max],
      [r, max],
    ]
    for (const [badR, badS] of bad) {
      expect(await judge(join(badR, badS)), `${badR} ${badS}`).toBe('signature_invalid')
    }
  })

  it('attack 17: refuses DER', async () => {
    const integer = (value: bigint) => {
      const bytes = [...bytesOfNumber(value)]
      while (bytes.length > 1 && bytes[0] === 0 && (bytes[1] ?? 0) < 0x80) bytes.shift()
      const padded = (bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes
      return [2, padded.length, ...padded]
    }
    const body = [...integer(r), ...integer(s)]
    expect(await judge(new Uint8Array([0x30, body.length, ...body]))).toBe('signature_invalid')
  })

  it('attack 17: refuses every other length: cut, longer, and with zeros around', async () => {
    for (const bytes of [
      signature.slice(0, 63),
      signature.slice(1),
      signature.slice(0, 32),
      new Uint8Array([...signature, 0]),
      new Uint8Array([...signature, 0, 0]),
      new Uint8Array([0, ...signature]),
      new Uint8Array([0, ...signature.slice(0, 32), 0, ...signature.slice(32)]),
      new Uint8Array([...signature, ...signature]),
    ]) {
      expect(await judge(bytes), `${bytes.length} bytes`).toBe('signature_invalid')
    }
  })
})

describe('key selection', () => {
  const asked = vi.fn(() => Promise.reject(new Error('nothing is fetched')))
  beforeEach(() => {
    asked.mockClear()
    vi.stubGlobal('fetch', asked)
  })
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  it('attacks 21 and 22: uses no key that a token brings or names, and asks nobody for it', async () => {
    const attacker = await generateFreshKey('EdDSA', NOW)
    if (!attacker.privateJwk) throw new TypeError('a fresh key has a private half')
    const { d: _, ...embedded } = attacker.privateJwk
    for (const [name, value] of Object.entries({
      jwk: embedded,
      jku: 'https://canary.example/jwks.json',
      x5u: 'file:///etc/passwd',
      x5c: [btoa('certificate')],
      x5t: 'AAAA',
      'x5t#S256': 'AAAA',
    })) {
      for (const kid of [RFC8037.kid, attacker.kid]) {
        expect(await verdict(await forge(claims, { ...header, kid, [name]: value }))).toBe(
          'header_invalid',
        )
      }
    }
    expect(asked).not.toHaveBeenCalled()
  })

  it('attack 23: finds no key under a kid that reads like a path, a query or a prototype', async () => {
    for (const kid of ['../../../dev/null', "'OR/**/1=1--", '__proto__', 'constructor', '%00']) {
      expect(await verdict(await forge(claims, { ...header, kid }))).toBe('key_unknown')
    }
    expect(await verdict(await forge(claims, { ...header, kid: "' OR 1=1--" }))).toBe(
      'header_invalid',
    )
  })

  it('attack 30: two issuers with one kid and one cache never answer for each other', async () => {
    const other = await generateFreshKey('EdDSA', NOW)
    const resolvers = {
      a: resolveKey,
      b: await resolverFor({ keys: [{ ...other.jwk, kid: RFC8037.kid }] }),
    }
    const cache = createVerifiedCache()
    const token = await forge()
    const judge = (by: 'a' | 'b') =>
      codeOf(() => verifyToken(token, { resolveKey: resolvers[by], expected, now: NOW, cache }))
    for (const [by, answer] of [
      ['a', 'accepted'],
      ['b', 'signature_invalid'],
      ['a', 'accepted'],
      ['a', 'accepted'],
      ['b', 'signature_invalid'],
    ] as const) {
      expect(await judge(by), by).toBe(answer)
    }
  })

  it('attack 30: kids that hold separators of any kind are kids of their own', async () => {
    const { keys } = await importKeySet(
      parseJwks({
        keys: ['a', 'a:b', 'a|b', 'a/b', 'a#b', 'a,b'].map((kid) => ({ ...publicJwk, kid })),
      }),
    )
    expect(new Set(keys.values()).size).toBe(6)
    for (const [kid, key] of keys) expect(key.kid).toBe(kid)
  })
})

describe('header', () => {
  it('attack 39: refuses crit in every form', async () => {
    for (const extension of [
      { crit: ['urn:example'], 'urn:example': true },
      { crit: [] },
      { crit: 'exp' },
      { crit: ['alg'] },
      { crit: ['b64'], b64: false },
      { crit: ['b64'], b64: true },
      { crit: ['absent'] },
      { crit: null },
      { b64: false },
      { b64: true },
    ]) {
      const token = await forge(claims, { ...header, ...extension })
      expect(await verdict(token), JSON.stringify(extension)).toBe('header_invalid')
    }
  })

  it('attack 40: refuses zip and a nested token', async () => {
    expect(await verdict(await forge(claims, { ...header, zip: 'DEF' }))).toBe('header_invalid')
    expect(await verdict(await forge(claims, { ...header, cty: 'JWT' }))).toBe('header_invalid')
    expect(await verdict(await forge(await forge()))).toBe('token_malformed')
  })
})

describe('attack 61: signing keys over crashes and mixed-up slots', () => {
  const policy = definePolicy()

  /** A restart from what is stored: which kid signs, and that what it signs verifies. */
  async function restart(secrets: Partial<ReturnType<typeof formatKeyring>>, at: number) {
    const stored = { secrets, revision: NOW * 1000, revoked: {} }
    const { keyring } = await parseKeyring(stored, at)
    const current = currentKey(keyring) as KeyringKey
    if (!current.privateJwk) throw new TypeError('the current key has its private half')
    const token = await signAccessToken(await createSigner(current.privateJwk, current.jwk), claims)
    const published = await resolverFor(publishJwks(keyring))
    expect(await verdict(token, published)).toBe('accepted')
    return current.kid
  }

  it('a restart after each step signs with a published key', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const flipAt = NOW + policy.propagationWindow
    const retireAt = flipAt + policy.overlapWindow
    const fresh = await generateFreshKey('EdDSA', flipAt)
    const steps: readonly (readonly [(before: Keyring) => Keyring, number, string])[] = [
      [(before) => before, NOW, current.kid],
      [
        (before) => apply(before, { verb: 'flip', fresh }, { policy, now: flipAt }),
        flipAt,
        next.kid,
      ],
      [
        (before) => apply(before, { verb: 'retire', kid: current.kid }, { policy, now: retireAt }),
        retireAt,
        next.kid,
      ],
    ]
    let state = keyring
    for (const [step, at, kid] of steps) {
      state = step(state)
      expect(await restart(formatKeyring(state), at)).toBe(kid)
    }
  })

  it('slots that come back swapped never make an older key sign', async () => {
    const { keyring, next } = await sampleKeyring()
    const now = NOW + policy.propagationWindow
    const fresh = await generateFreshKey('EdDSA', now)
    const stored = formatKeyring(apply(keyring, { verb: 'flip', fresh }, { policy, now }))
    const swap = (slot: 'next_private_key' | 'previous_private_key') => ({
      ...stored,
      current_private_key: stored[slot],
      [slot]: stored.current_private_key,
    })
    expect(await restart(swap('previous_private_key'), now)).toBe(next.kid)
    expect(await codeOf(() => restart(swap('next_private_key'), now))).toBe('keyring_invalid')
  })

  it('a slot that is missing is refused by name', async () => {
    const { keyring } = await sampleKeyring()
    for (const slot of ['current_private_key', 'next_private_key', 'public_jwks'] as const) {
      const { [slot]: _, ...rest } = formatKeyring(keyring)
      expect(await codeOf(() => restart(rest, NOW)), slot).toBe('keyring_invalid')
    }
  })
})
