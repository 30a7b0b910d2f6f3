import { describe, expect, it } from 'vitest'
import { encodeBase64 } from '../src/bytes.ts'
import {
  createEnvelope,
  EnvelopeError,
  formatEncryptionKeys,
  generateEncryptionKey,
  parseEncryptionKeys,
} from '../src/signing.ts'
import { envelopeCodeOf, keyOf, keysOf } from './envelope-fixtures.ts'

const a = encodeBase64(keyOf(1))
const b = encodeBase64(keyOf(0xfb))

describe('parseEncryptionKeys', () => {
  it('reads what formatEncryptionKeys writes', () => {
    const keys = keysOf('b', 'a')
    const stored = formatEncryptionKeys(keys)
    expect(JSON.parse(stored.encKeys)).toEqual({
      a: encodeBase64(keyOf(1)),
      b: encodeBase64(keyOf(2)),
    })
    expect(parseEncryptionKeys(stored)).toEqual(keys)
  })

  it('lets white space around either text pass, which editors leave behind', () => {
    const { activeKid, keys } = parseEncryptionKeys({
      encKeys: ` ${JSON.stringify({ a })}\n`,
      activeKid: 'a\n',
    })
    expect([activeKid, [...keys.keys()]]).toEqual(['a', ['a']])
  })

  it.each([
    ['no JSON', 'x', 'a', 'one JSON object'],
    ['an array', '[]', 'a', 'one JSON object'],
    ['a duplicate name', `{"a":"${a}","a":"${b}"}`, 'a', 'without duplicate names'],
    ['a prototype name', `{"__proto__":"${a}"}`, '__proto__', 'one JSON object'],
    ['no key', '{}', 'a', 'at least one key'],
    ['a key that is no text', '{"a":5}', 'a', 'canonical base64'],
    ['unused bits that are set', `{"a":"${a.slice(0, -2)}F="}`, 'a', 'canonical base64'],
    ['base64url', `{"a":"${b.replaceAll('+', '-')}"}`, 'a', 'canonical base64'],
    ['missing padding', `{"a":"${a.slice(0, -1)}"}`, 'a', 'canonical base64'],
    ['white space in a key', `{"a":" ${a}"}`, 'a', 'canonical base64'],
    ['a 128-bit key', `{"a":"${encodeBase64(new Uint8Array(16))}"}`, 'a', '256 bits'],
    ['a key of 31 bytes', `{"a":"${encodeBase64(new Uint8Array(31))}"}`, 'a', '256 bits'],
    ['a key of 33 bytes', `{"a":"${encodeBase64(new Uint8Array(33))}"}`, 'a', '256 bits'],
    ['an empty key', '{"a":""}', 'a', '256 bits'],
    ['one key under two kids', `{"a":"${a}","b":"${a}"}`, 'a', 'under two kids'],
    ['an active kid that is not there', `{"a":"${a}"}`, 'b', 'active_kid names a key'],
    ['an active kid from the prototype', `{"a":"${a}"}`, 'toString', 'active_kid names a key'],
    ['an empty active kid', `{"a":"${a}"}`, '', 'active_kid names a key'],
    ['an empty kid', `{"":"${a}"}`, '', '1 to 64'],
    ['a kid with a dot', `{"a.b":"${a}"}`, 'a.b', '1 to 64'],
    ['a kid of 65 letters', `{"${'k'.repeat(65)}":"${a}"}`, 'k'.repeat(65), '1 to 64'],
  ])('refuses %s, by name and without the key', (_name, encKeys, activeKid, invariant) => {
    let refusal: unknown
    try {
      parseEncryptionKeys({ encKeys, activeKid })
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(EnvelopeError)
    const { code, message, details } = refusal as EnvelopeError
    expect(code).toBe('encryption_keys_invalid')
    expect(message).toContain(invariant)
    expect(`${message}${JSON.stringify(details)}`).not.toContain(a.slice(0, 12))
  })

  it('takes a kid of 64 letters', () => {
    const kid = 'k'.repeat(64)
    expect(parseEncryptionKeys({ encKeys: `{"${kid}":"${a}"}`, activeKid: kid }).activeKid).toBe(
      kid,
    )
  })
})

describe('createEnvelope', () => {
  it('checks keys that came by another way', async () => {
    const twins = {
      activeKid: 'a',
      keys: new Map([
        ['a', keyOf(1)],
        ['b', keyOf(1)],
      ]),
    }
    const short = { activeKid: 'a', keys: new Map([['a', new Uint8Array(16)]]) }
    for (const keys of [twins, short, { ...keysOf('a'), activeKid: 'b' }]) {
      expect(await envelopeCodeOf(() => createEnvelope(keys))).toBe('encryption_keys_invalid')
    }
  })

  it('takes generated keys, and no two of them are alike', async () => {
    const [one, other] = [generateEncryptionKey(), generateEncryptionKey()]
    expect(one).not.toEqual(other)
    const keys = new Map([
      ['one', one],
      ['other', other],
    ])
    expect((await createEnvelope({ activeKid: 'one', keys })).kids).toEqual(['one', 'other'])
  })
})
