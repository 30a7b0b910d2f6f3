import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatRefreshToken,
  generateRefreshFamily,
  importRefreshSecret,
  isAuthentic,
  parseRefreshToken,
} from '../src/signing.ts'
import { codeOf } from './fixtures.ts'

const family = 'AAECAwQFBgcICQoLDA0ODw'
const secret = Uint8Array.from({ length: 32 }, (_, index) => index)
const key = await importRefreshSecret(secret)
const token = await formatRefreshToken({ family, counter: 41 }, key)

/** Whether a text is a token, and one of the family. */
async function verdict(text: unknown, by = key): Promise<string> {
  const parsed = parseRefreshToken(text)
  if (!parsed) return 'malformed'
  return (await isAuthentic(parsed, by)) ? 'authentic' : 'forged'
}

describe('a refresh token', () => {
  it('is the same one each time, for a family and a counter', async () => {
    expect(await formatRefreshToken({ family, counter: 41 }, key)).toBe(token)
    expect(await formatRefreshToken({ family, counter: 42 }, key)).not.toBe(token)
    expect(parseRefreshToken(token)).toMatchObject({ family, counter: 41 })
    expect(await verdict(token)).toBe('authentic')
  })

  it('has one spelling: what parses is written back letter by letter', async () => {
    const part = fc.oneof(
      fc.constantFrom(...token.split('.'), '0', '00', '041', '9999999999', '10000000000', ''),
      fc.string({ unit: fc.constantFrom(...'A_-1.='), maxLength: 44 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 3, maxLength: 5 }), async (parts) => {
        const text = parts.join('.')
        const parsed = parseRefreshToken(text)
        if (!parsed) return
        const { mac } = parsed
        const written = await formatRefreshToken(parsed, key)
        const holds = await isAuthentic({ ...parsed, mac }, key)
        expect(written === text).toBe(holds)
      }),
      { seed: 7, numRuns: 2000 },
    )
  })

  it.each([
    ['nothing', undefined],
    ['a number', 41],
    ['empty', ''],
    ['of another version', token.replace('ktr1', 'ktr2')],
    ['without a MAC', token.slice(0, token.lastIndexOf('.'))],
    ['of a counter with a leading zero', token.replace('.41.', '.041.')],
    ['of a signed counter', token.replace('.41.', '.+41.')],
    ['of a negative counter', token.replace('.41.', '.-1.')],
    ['of a fraction', token.replace('.41.', '.41.0.')],
    ['of an exponent', token.replace('.41.', '.4e1.')],
    ['of other digits', token.replace('.41.', '.٤١.')],
    ['of a counter of eleven digits', token.replace('.41.', '.10000000000.')],
    ['with unused bits in its family', token.replace('ODw.', 'ODx.')],
    ['with unused bits in its MAC', `${token.slice(0, -1)}${token.endsWith('B') ? 'D' : 'B'}`],
    ['with a shorter MAC', token.slice(0, -1)],
    ['padded', `${token}=`],
    ['followed by a new line', `${token}\n`],
    ['behind a space', ` ${token}`],
    ['endless', token + 'A'.repeat(1_000_000)],
  ])('is malformed where it is %s', async (_name, text) => {
    expect(await verdict(text)).toBe('malformed')
  })

  it('of another family, counter, secret or MAC is forged', async () => {
    const other = generateRefreshFamily()
    expect(await verdict(token.replace(family, other.family))).toBe('forged')
    expect(await verdict(token.replace('.41.', '.42.'))).toBe('forged')
    expect(await verdict(token.replace('.41.', '.4.'))).toBe('forged')
    expect(await verdict(token, await importRefreshSecret(other.secret))).toBe('forged')
    const at = token.lastIndexOf('.') + 1
    const first = token[at] === 'A' ? 'B' : 'A'
    expect(await verdict(`${token.slice(0, at)}${first}${token.slice(at + 1)}`)).toBe('forged')
  })

  it('is of at most 82 letters', async () => {
    expect((await formatRefreshToken({ family, counter: 9_999_999_999 }, key)).length).toBe(82)
  })

  it('is not written for what it cannot carry', async () => {
    for (const counter of [-1, 1.5, 1e21, Number.NaN, 10_000_000_000]) {
      expect(await codeOf(() => formatRefreshToken({ family, counter }, key))).toBeInstanceOf(
        TypeError,
      )
    }
    for (const wrong of ['', 'short', `${family}A`, 'AAECAwQFBgcICQoLDA0ODx']) {
      expect(
        await codeOf(() => formatRefreshToken({ family: wrong, counter: 1 }, key)),
      ).toBeInstanceOf(TypeError)
    }
  })
})

describe('a new family', () => {
  it('has a name that tokens carry, and a secret of its own', async () => {
    const [one, other] = [generateRefreshFamily(), generateRefreshFamily()]
    expect(one.family).not.toBe(other.family)
    expect(one.secret).not.toEqual(other.secret)
    const own = await importRefreshSecret(one.secret)
    expect(
      await verdict(await formatRefreshToken({ family: one.family, counter: 1 }, own), own),
    ).toBe('authentic')
  })

  it('wants a secret of 256 bits, which does not leave the runtime again', async () => {
    for (const length of [0, 16, 31, 33]) {
      expect(await codeOf(() => importRefreshSecret(new Uint8Array(length)))).toBeInstanceOf(
        TypeError,
      )
    }
    expect(key.extractable).toBe(false)
  })
})
