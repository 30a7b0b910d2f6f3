import { describe, expect, it } from 'vitest'
import { createVerifiedCache, defineExpected, MAX_TOKEN_BYTES, verifyToken } from '../src/index.ts'
import {
  AUDIENCE,
  base64url,
  claims,
  codeOf,
  forge,
  header,
  ISSUER,
  joseToken,
  NOW,
  publicJwk,
  RFC8037,
  resolverFor,
  signRaw,
} from './fixtures.ts'

const expected = defineExpected({ issuer: ISSUER, audience: AUDIENCE, clockTolerance: 60 })
const resolveKey = await resolverFor({ keys: [publicJwk] })

async function verdict(token: unknown, now = NOW, key = resolveKey): Promise<unknown> {
  return await codeOf(() => verifyToken(token, { resolveKey: key, expected, now }))
}

describe('an honest token', () => {
  it('is accepted, with its claims and kid', async () => {
    const { claims: verified, kid } = await verifyToken(await joseToken(), {
      resolveKey,
      expected,
      now: NOW,
    })
    expect(verified).toEqual(claims)
    expect(kid).toBe(RFC8037.kid)
  })

  it('may spell its typ as a media type, in any case (RFC 9068 section 4)', async () => {
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt']) {
      expect(await verdict(await forge(claims, { ...header, typ }))).toBe('accepted')
    }
  })
})

describe('parsing and format', () => {
  it('attack 1: refuses by size before anything is split', async () => {
    expect(await verdict('.'.repeat(65_536))).toBe('token_too_large')
    const padded = await forge({ ...claims, pad: 'x'.repeat(MAX_TOKEN_BYTES) })
    expect(await verdict(padded)).toBe('token_too_large')
  })

  it('attack 2: refuses any byte outside of base64url, in each segment', async () => {
    const parts = (await forge()).split('.')
    for (const segment of [0, 1, 2]) {
      for (const bad of ['=', ' ', '\n', '+', '/', '\0', 'é', '%']) {
        const broken = parts.map((part, index) => (index === segment ? part + bad : part)).join('.')
        expect(await verdict(broken), `${bad} in segment ${segment}`).toBe('token_malformed')
      }
    }
  })

  it('attack 3: refuses a segment whose unused bits are not zero', async () => {
    const [head = '', payload = '', signature = ''] = (await forge()).split('.')
    // 64 bytes leave 4 unused bits in the last of 86 letters.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(signature.at(-1) ?? '')
    for (const other of [last + 1, last + 7, last + 15]) {
      const changed = `${head}.${payload}.${signature.slice(0, -1)}${alphabet[other]}`
      expect(await verdict(changed)).toBe('token_malformed')
    }
  })

  it.each([
    ['not a string', 42],
    ['nothing', undefined],
    ['empty', ''],
    ['two segments', 'a.b'],
    ['empty signature', 'eyJ.eyJ.'],
    ['attack 4: JSON form', '{"protected":"e30","payload":"e30","signature":"AA"}'],
    ['attack 5: JWE', 'a.b.c.d.e'],
  ])('refuses a token that is %s', async (_name, token) => {
    expect(await verdict(token)).toBe('token_malformed')
  })

  it('attack 6: refuses duplicate names in header and claims, also behind an escape', async () => {
    const good = JSON.stringify(claims)
    for (const head of [
      `{"alg":"none","alg":"EdDSA","kid":"${RFC8037.kid}","typ":"at+jwt"}`,
      `{"alg":"EdDSA","alg":"none","kid":"${RFC8037.kid}","typ":"at+jwt"}`,
    ]) {
      expect(await verdict(await signRaw(head, good))).toBe('header_invalid')
    }
    const twice = (member: string) =>
      signRaw(JSON.stringify(header), `${good.slice(0, -1)},${member}}`)
    for (const member of ['"sub":"x"', '"exp":9999999999', '"aud":"x"', '"\\u0073ub":"x"']) {
      expect(await verdict(await twice(member))).toBe('token_malformed')
    }
  })

  it('attack 7: refuses a signed payload that is no object', async () => {
    for (const payload of ['[]', 'null', '"x"', '1', 'true', '']) {
      const token = await forge(payload)
      expect(await verdict(token)).toBe('token_malformed')
    }
  })

  it('attack 8: refuses prototype names, and changes no prototype', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const head = `{"alg":"EdDSA","kid":"${RFC8037.kid}","typ":"at+jwt","${name}":{"polluted":1}}`
      expect(await verdict(await signRaw(head, JSON.stringify(claims)))).toBe('header_invalid')
      expect(await verdict(await forge(claims, { ...header, kid: name }))).toBe('key_unknown')
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('attack 9: refuses deep nesting without an overflow', async () => {
    const deep = `{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`
    expect(await verdict(await forge(deep))).toBe('token_malformed')
  })

  it('attack 10: refuses what is not clean UTF-8', async () => {
    const text = JSON.stringify(claims)
    const bytes = (string: string) => new TextEncoder().encode(string)
    const utf16 = new Uint8Array([...text].flatMap((char) => [char.charCodeAt(0), 0]))
    const payloads = [
      bytes(`\uFEFF${text}`),
      utf16,
      new Uint8Array([...bytes('{"a":"'), 0xff, 0xfe, ...bytes('"}')]),
      bytes('{"a":"\\ud800"}'),
    ]
    for (const payload of payloads) {
      expect(await verdict(await signRaw(JSON.stringify(header), payload))).toBe('token_malformed')
    }
  })
})

describe('algorithm', () => {
  it('attack 11: refuses none in every spelling', async () => {
    const [, payload = '', signature = ''] = (await forge()).split('.')
    for (const alg of ['none', 'None', 'nOnE', 'NONE']) {
      const head = base64url(JSON.stringify({ ...header, alg }))
      expect(await verdict(`${head}.${payload}.${signature}`)).toBe('alg_mismatch')
      expect(await verdict(`${head}.${payload}.`)).toBe('token_malformed')
      expect(await verdict(`${head}.${payload}`)).toBe('token_malformed')
    }
  })

  it('attack 12 and 13: refuses HMAC keyed with any form of the public key', async () => {
    const forms = [
      RFC8037.public.x,
      JSON.stringify(publicJwk),
      JSON.stringify({ keys: [publicJwk] }),
      ' ',
    ]
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      for (const form of forms) {
        const key = await crypto.subtle.importKey(
          'raw',
          new TextEncoder().encode(form),
          { name: 'HMAC', hash: `SHA-${alg.slice(2)}` },
          false,
          ['sign'],
        )
        const input = `${base64url(JSON.stringify({ ...header, alg }))}.${base64url(JSON.stringify(claims))}`
        const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(input))
        expect(await verdict(`${input}.${base64url(new Uint8Array(mac))}`)).toBe('alg_mismatch')
      }
    }
  })

  it('attack 16: refuses a header without alg', async () => {
    const { alg: _, ...rest } = header
    expect(await verdict(await forge(claims, rest))).toBe('header_invalid')
  })

  it('attack 18: refuses S + L in the place of S', async () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const [head = '', payload = '', signature = ''] = (await forge()).split('.')
    const bytes = Uint8Array.from(
      atob(signature.replaceAll('-', '+').replaceAll('_', '/')),
      (char) => char.charCodeAt(0),
    )
    let s = 0n
    for (let index = 63; index >= 32; index--) s = (s << 8n) | BigInt(bytes[index] ?? 0)
    s += order
    for (let index = 32; index < 64; index++) {
      bytes[index] = Number(s & 255n)
      s >>= 8n
    }
    expect(await verdict(`${head}.${payload}.${base64url(bytes)}`)).toBe('signature_invalid')
  })

  it('attack 20: refuses signatures of another length, and of zeros', async () => {
    const [head = '', payload = ''] = (await forge()).split('.')
    for (const length of [1, 63, 64, 65, 128]) {
      const zeros = base64url(new Uint8Array(length))
      expect(await verdict(`${head}.${payload}.${zeros}`)).toBe('signature_invalid')
    }
  })
})

describe('key selection', () => {
  it('attacks 21, 22, 39 and 40: refuses every other header member', async () => {
    const members: Record<string, unknown> = {
      jwk: RFC8037.public,
      jku: 'https://evil.example/jwks.json',
      x5u: 'https://evil.example/cert.pem',
      x5c: ['AA'],
      x5t: 'AA',
      crit: ['exp'],
      b64: false,
      zip: 'DEF',
      cty: 'JWT',
    }
    for (const [name, value] of Object.entries(members)) {
      expect(await verdict(await forge(claims, { ...header, [name]: value })), name).toBe(
        'header_invalid',
      )
    }
  })

  it('attack 23: refuses a kid of an impossible shape without asking for its key', async () => {
    let asked = 0
    const counting = (kid: string) => {
      asked += 1
      return resolveKey(kid, () => undefined)
    }
    const kids = [undefined, '', 1, [], {}, 'k'.repeat(10_000), 'a b', 'a\nb', 'a\0b', 'é']
    for (const kid of kids) {
      expect(await verdict(await forge(claims, { ...header, kid }), NOW, counting)).toBe(
        kid === 'k'.repeat(10_000) ? 'token_too_large' : 'header_invalid',
      )
    }
    expect(asked).toBe(0)
  })

  it('attack 24: never falls through to the only key', async () => {
    expect(await verdict(await forge(claims, { ...header, kid: 'other' }))).toBe('key_unknown')
  })

  it('attacks 32 and 67: refuses a key past its own end while it is still published', async () => {
    const ending = await resolverFor({ keys: [{ ...publicJwk, nbf: NOW - 10, exp: NOW + 5 }] })
    const token = await forge()
    expect(await verdict(token, NOW + 4, ending)).toBe('accepted')
    expect(await verdict(token, NOW + 5, ending)).toBe('key_expired')
  })

  it('attack 38: refuses every other typ', async () => {
    for (const typ of ['JWT', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', 'at+jwt ', 'id+jwt', '']) {
      expect(await verdict(await forge(claims, { ...header, typ }))).toBe('typ_mismatch')
    }
    const { typ: _, ...untyped } = header
    expect(await verdict(await forge(claims, untyped))).toBe('header_invalid')
  })
})

describe('expected algorithms', () => {
  it('refuse a key of another one, on a hit of the cache too, and longer tokens', async () => {
    const cache = createVerifiedCache()
    const only = (alg: 'EdDSA' | 'ES256') =>
      defineExpected({ issuer: ISSUER, audience: AUDIENCE, algorithms: [alg] })
    const judge = (token: string, alg: 'EdDSA' | 'ES256') =>
      codeOf(() => verifyToken(token, { resolveKey, expected: only(alg), now: NOW, cache }))
    const token = await forge()
    expect(await judge(token, 'ES256')).toBe('alg_mismatch')
    expect(await judge(token, 'EdDSA')).toBe('accepted')
    expect(await judge(token, 'ES256')).toBe('alg_mismatch')
    const long = await forge({ ...claims, pad: 'x'.repeat(3_000) })
    expect(await verdict(long)).toBe('accepted')
    expect(await judge(long, 'EdDSA')).toBe('token_too_large')
  })
})

describe('order of checks', () => {
  it('judges no claim before the signature holds', async () => {
    const [head = '', , signature = ''] = (await forge()).split('.')
    const expired = base64url(JSON.stringify({ ...claims, exp: 1, iss: 'https://evil.example' }))
    expect(await verdict(`${head}.${expired}.${signature}`)).toBe('signature_invalid')
  })
})
