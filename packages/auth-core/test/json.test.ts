import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from '../src/bytes.ts'
import { parseJsonObject } from '../src/index.ts'
import { base64url } from './fixtures.ts'

describe('parseJsonObject', () => {
  it('agrees with JSON.parse on every object without duplicate or prototype names', () => {
    const names = fc.string().filter((name) => name !== '__proto__')
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue({ maxDepth: 5 })), (object) => {
        const text = JSON.stringify(object)
        fc.pre(!text.includes('__proto__') && text.isWellFormed() && !text.includes('\\ud'))
        expect(parseJsonObject(text)).toEqual(JSON.parse(text))
        expect(parseJsonObject(new TextEncoder().encode(text))).toEqual(JSON.parse(text))
      }),
      { seed: 7 },
    )
  })

  it.each([
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":2}}',
    '{"a":[{"b":1,"c":0,"\\u0062":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1}',
    '{"\\u005f_proto__":1}',
    '{"a":"\\udc00"}',
    '{"\\ud800":1}',
    `{"a":${'['.repeat(32)}${']'.repeat(32)}}`,
    '\uFEFF{}',
    '{"a":1}x',
    '{"a":"',
    '{"a":"\\',
    '[]',
    'null',
    '',
  ])('refuses %s', (text) => {
    expect(parseJsonObject(text)).toBeUndefined()
  })

  it('takes one name in different objects, and braces or quotes inside of strings', () => {
    for (const text of [
      '{"a":{"b":1},"b":{"b":2}}',
      '{"a":"{\\"a\\":1,\\"a\\":2}","b":"[[["}',
      '{"a":"a","b":["a","a"]}',
      '{ "a" : 1 , "b" : 2 }',
      `{"a":${'['.repeat(31)}${']'.repeat(31)}}`,
    ]) {
      expect(parseJsonObject(text)).toEqual(JSON.parse(text))
    }
  })
})

describe('base64url', () => {
  it('decodes what is encoded, and agrees with another encoder', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64Url(bytes)).toBe(base64url(bytes))
        expect(decodeBase64Url(encodeBase64Url(bytes))).toEqual(bytes)
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
      }),
      { seed: 7 },
    )
  })

  it('has exactly one spelling for every value', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AB8_-z=+/ '), maxLength: 9 }), (text) => {
        const bytes = decodeBase64Url(text)
        if (bytes) expect(encodeBase64Url(bytes)).toBe(text)
      }),
      { seed: 7, numRuns: 2_000 },
    )
    for (const text of ['A', 'AB', 'AA=', 'A A', 'AAAAA', 'AAB']) {
      expect(decodeBase64Url(text)).toBeUndefined()
    }
  })
})
