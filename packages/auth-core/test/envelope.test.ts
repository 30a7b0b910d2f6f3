import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64Url, encodeBase64Url } from '../src/bytes.ts'
import { freshNonce } from '../src/envelope/aes-gcm.ts'
import { additionalDataOf, MAX_PLAINTEXT_BYTES } from '../src/envelope/record.ts'
import {
  createEncryptionUsage,
  createEnvelope,
  ENCRYPTIONS_DUE,
  ENCRYPTIONS_LIMIT,
  EnvelopeError,
  recordPrefix,
} from '../src/signing.ts'
import { envelopeCodeOf, keysOf, place } from './envelope-fixtures.ts'

const secret = new TextEncoder().encode('the secret of a family')
const envelope = await createEnvelope(keysOf('a', 'b'))
const record = await envelope.seal(secret, place)

const verdict = (changed: unknown, where = place, by = envelope) =>
  envelopeCodeOf(() => by.open(changed, where))

/** The record with its body changed. */
function withBody(change: (body: Uint8Array) => Uint8Array): string {
  const [version, kid, body = ''] = record.split('.')
  return `${version}.${kid}.${encodeBase64Url(change(decodeBase64Url(body) ?? new Uint8Array()))}`
}

describe('a record', () => {
  it('opens to what was sealed, at every length, in its place', async () => {
    for (const length of [0, 1, 15, 16, 17, 1000, MAX_PLAINTEXT_BYTES]) {
      const plaintext = new Uint8Array(length).fill(7)
      expect(await envelope.open(await envelope.seal(plaintext, place), place)).toEqual(plaintext)
    }
  })

  it('says under which kid it stands, and shows nothing of the plaintext', () => {
    expect(record).toMatch(/^kte1\.a\.[A-Za-z0-9_-]+$/)
    expect(record.startsWith(recordPrefix('a'))).toBe(true)
    expect(record).not.toContain(encodeBase64Url(secret).slice(2, 10))
  })

  it('holds the plaintext of the call, whatever becomes of it while the encryption is counted', async () => {
    const plaintext = new Uint8Array(secret)
    const usage = { take: async () => void plaintext.fill(0) }
    const counted = await createEnvelope(keysOf('a'), { usage })
    expect(await counted.open(await counted.seal(plaintext, place), place)).toEqual(secret)
  })

  it('has no more than 64 KiB of plaintext', async () => {
    const large = new Uint8Array(MAX_PLAINTEXT_BYTES + 1)
    expect(await envelopeCodeOf(() => envelope.seal(large, place))).toBeInstanceOf(TypeError)
  })

  it.each([
    ['nothing', undefined],
    ['bytes', new Uint8Array(80)],
    ['empty', ''],
    ['another version', record.replace('kte1', 'kte2')],
    ['attack 57: without a version', record.slice('kte1.'.length)],
    ['a version in capitals', record.replace('kte1', 'KTE1')],
    ['without a kid', record.replace('.a.', '..')],
    ['of four parts', `${record}.AAAA`],
    ['followed by a dot', `${record}.`],
    ['padded', `${record}=`],
    ['followed by a new line', `${record}\n`],
    ['with a kid of 65 letters', record.replace('.a.', `.${'a'.repeat(65)}.`)],
    ['with a kid of strange letters', record.replace('.a.', '.a%.')],
    ['too short for nonce, commitment and tag', withBody((body) => body.slice(0, 59))],
    ['endless', `kte1.a.${'A'.repeat(100_000)}`],
  ])('is refused by its form where it is %s', async (_name, changed) => {
    expect(await verdict(changed)).toBe('envelope_invalid')
    expect(await envelopeCodeOf(() => envelope.needsRewrap(changed))).toBe('envelope_invalid')
  })

  it('has one spelling: the unused bits of its last letter count', async () => {
    const sealed = await envelope.seal(new Uint8Array(1), place)
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const next = last[last.indexOf(sealed.at(-1) ?? '') + 1]
    expect(await verdict(`${sealed.slice(0, -1)}${next}`)).toBe('envelope_invalid')
  })

  it('never opens with any of its bytes changed', async () => {
    const length = decodeBase64Url(record.split('.')[2] ?? '')?.length ?? 0
    const bit = fc.record({ at: fc.nat(length - 1), mask: fc.integer({ min: 1, max: 255 }) })
    await fc.assert(
      fc.asyncProperty(bit, async ({ at, mask }) => {
        const changed = withBody((body) => body.map((byte, i) => (i === at ? byte ^ mask : byte)))
        expect(await verdict(changed)).toBe('envelope_refused')
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})

describe('binding', () => {
  it('attack 57: a record opens in no other table, row or column', async () => {
    for (const other of [
      { ...place, table: 'clients' },
      { ...place, row: 'row-2' },
      { ...place, column: 'mac' },
      { table: place.row, row: place.table, column: place.column },
    ]) {
      expect(await envelopeCodeOf(() => envelope.open(record, other))).toBe('envelope_refused')
    }
  })

  it('attack 57: a record opens under no other kid, known or not', async () => {
    expect(await verdict(record.replace('.a.', '.b.'))).toBe('envelope_refused')
    expect(await verdict(record.replace('.a.', '.c.'))).toBe('envelope_kid_unknown')
  })

  it('attack 57: the same key under another kid opens nothing', async () => {
    const renamed = await createEnvelope({
      activeKid: 'z',
      keys: new Map([['z', new Uint8Array(32).fill(1)]]),
    })
    expect(await verdict(record.replace('.a.', '.z.'), place, renamed)).toBe('envelope_refused')
  })

  it('has one spelling for each place', () => {
    // Pieces of what stands between two parts, so that a separator or a length can be imitated.
    const piece = fc.constantFrom('a', 'b', '\0', '\0\0\0\0', '\0\0\0\x01', '\0\0\0\x01a', 'é')
    const part = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''))
    const places = fc.tuple(part, part, part, part)
    const bytesOf = ([kid, table, row, column]: readonly [string, string, string, string]) =>
      additionalDataOf(kid, { table, row, column }).join()
    fc.assert(
      fc.property(places, places, (one, other) => {
        expect(bytesOf(one) === bytesOf(other)).toBe(one.join('|') === other.join('|'))
      }),
      { seed: 7, numRuns: 1000 },
    )
    for (const between of ['', '.', '\0\0\0\0', '\0\0\0\x01', '\0\0\0\x02']) {
      const shifted = [
        ['k', 'a', `b${between}c`, 'd'] as const,
        ['k', `a${between}b`, 'c', 'd'] as const,
      ]
      expect(new Set(shifted.map(bytesOf)).size).toBe(2)
    }
  })

  it('wants three parts that UTF-8 can spell', async () => {
    for (const bad of ['', '\ud800', undefined as unknown as string]) {
      for (const name of ['table', 'row', 'column']) {
        const binding = { ...place, [name]: bad }
        expect(await envelopeCodeOf(() => envelope.seal(secret, binding))).toBeInstanceOf(TypeError)
        expect(await envelopeCodeOf(() => envelope.open(record, binding))).toBeInstanceOf(TypeError)
      }
    }
  })
})

describe('tags', () => {
  it('attack 58: refuses a tag that was cut to 4, 8, 12 or 15 bytes', async () => {
    for (const bytes of [4, 8, 12, 15]) {
      expect(await verdict(withBody((body) => body.slice(0, body.length - 16 + bytes)))).toBe(
        'envelope_refused',
      )
    }
  })

  it('attack 58: refuses a short tag where nothing else is left of the record', async () => {
    const empty = await envelope.seal(new Uint8Array(0), place)
    const body = decodeBase64Url(empty.split('.')[2] ?? '') ?? new Uint8Array()
    for (const bytes of [0, 4, 8, 12, 15]) {
      const cut = `kte1.a.${encodeBase64Url(body.slice(0, 44 + bytes))}`
      expect(await verdict(cut)).toBe('envelope_invalid')
    }
    expect(await verdict(empty)).toBe('opened')
  })
})

describe('kids', () => {
  it('attack 59: a record under a previous kid opens and is rewrapped under the active one', async () => {
    const turned = await createEnvelope(keysOf('b', 'a'))
    expect(turned.needsRewrap(record)).toBe(true)
    const rewrapped = await turned.seal(await turned.open(record, place), place)
    expect(rewrapped.startsWith(recordPrefix('b'))).toBe(true)
    expect(turned.needsRewrap(rewrapped)).toBe(false)
    expect(await turned.open(rewrapped, place)).toEqual(secret)
  })

  it('attack 59: a record under a retired kid fails closed, with an error of its own', async () => {
    const retired = await createEnvelope(keysOf('b', 'c'))
    expect(await verdict(record, place, retired)).toBe('envelope_kid_unknown')
    expect(retired.needsRewrap(record)).toBe(true)
  })

  it('are reported, with the active one', () => {
    expect(envelope.activeKid).toBe('a')
    expect(envelope.kids).toEqual(['a', 'b'])
  })
})

describe('nonces and counts', () => {
  it('attack 60: 2^20 nonces are all different', () => {
    const seen = new BigUint64Array(2 ** 20)
    for (let index = 0; index < seen.length; index++) {
      seen[index] = new DataView(freshNonce().buffer).getBigUint64(0)
    }
    seen.sort()
    expect(seen.findIndex((nonce, index) => index > 0 && nonce === seen[index - 1])).toBe(-1)
  })

  it('attack 60: every record of one plaintext has its own nonce', async () => {
    const records = await Promise.all(
      Array.from({ length: 2 ** 12 }, () => envelope.seal(secret, place)),
    )
    expect(new Set(records.map((one) => one.slice(7, 23))).size).toBe(records.length)
  })

  it('attack 60: a key stops well before 2^32 encryptions, and says so before', async () => {
    expect(ENCRYPTIONS_DUE).toBe(2 ** 31)
    expect(ENCRYPTIONS_LIMIT).toBeLessThanOrEqual(0.75 * 2 ** 32)
    const due: number[] = []
    let total = 0
    const usage = createEncryptionUsage({
      reserve: async (_kid, count) => {
        total += count
        return total
      },
      block: 1,
      onDue: ({ encryptions }) => due.push(encryptions),
    })
    const counted = await createEnvelope(keysOf('a'), { usage })
    const sealAt = (before: number) => {
      total = before
      return envelopeCodeOf(() => counted.seal(secret, place))
    }
    expect(await sealAt(ENCRYPTIONS_DUE - 2)).toBe('opened')
    expect(due).toEqual([])
    expect(await sealAt(ENCRYPTIONS_DUE - 1)).toBe('opened')
    expect(due).toEqual([ENCRYPTIONS_DUE])
    expect(await sealAt(ENCRYPTIONS_LIMIT - 1)).toBe('opened')
    expect(await sealAt(ENCRYPTIONS_LIMIT)).toBe('envelope_exhausted')
    expect(await envelopeCodeOf(() => counted.open(record, place))).toBe('opened')
  })
})

describe('createEncryptionUsage', () => {
  function counter(block: number) {
    const writes: string[] = []
    const totals = new Map<string, number>()
    const reserve = async (kid: string, count: number) => {
      writes.push(kid)
      await Promise.resolve()
      totals.set(kid, (totals.get(kid) ?? 0) + count)
      return totals.get(kid) ?? 0
    }
    return { writes, totals, reserve, start: () => createEncryptionUsage({ reserve, block }) }
  }

  it('writes once per block, for parallel callers too', async () => {
    const { start, writes } = counter(100)
    const usage = start()
    await Promise.all(Array.from({ length: 250 }, () => usage.take('a')))
    expect(writes).toEqual(['a', 'a', 'a'])
    await Promise.all(Array.from({ length: 50 }, () => usage.take('a')))
    expect(writes.length).toBe(3)
    await usage.take('a')
    expect(writes.length).toBe(4)
  })

  it('counts each kid for itself', async () => {
    const { start, totals } = counter(10)
    const usage = start()
    for (const kid of ['a', 'b', 'a']) await usage.take(kid)
    expect([...totals]).toEqual([
      ['a', 10],
      ['b', 10],
    ])
  })

  it('never has stored less than was taken, over any number of crashes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(20), { maxLength: 8 }),
        async (block, lives) => {
          const { start, totals } = counter(block)
          let taken = 0
          for (const takes of lives) {
            const usage = start()
            await Promise.all(Array.from({ length: takes }, () => usage.take('a')))
            taken += takes
            expect(totals.get('a') ?? 0).toBeGreaterThanOrEqual(taken)
          }
          expect(totals.get('a') ?? 0).toBeLessThan(taken + block * Math.max(1, lives.length))
        },
      ),
      { seed: 7 },
    )
  })

  it('seals nothing that was not counted, and goes on when storage is back', async () => {
    let broken = true
    const usage = createEncryptionUsage({
      reserve: async (_kid, count) => {
        if (broken) throw new Error('database is locked')
        return count
      },
    })
    const counted = await createEnvelope(keysOf('a'), { usage })
    const error = await counted.seal(secret, place).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(EnvelopeError)
    expect(error).toMatchObject({
      code: 'envelope_uncounted',
      cause: { message: 'database is locked' },
    })
    broken = false
    expect(await envelopeCodeOf(() => counted.seal(secret, place))).toBe('opened')
  })

  it('takes an answer that is no number for an exhausted key', async () => {
    const usage = createEncryptionUsage({ reserve: async () => Number.NaN })
    expect(await envelopeCodeOf(() => usage.take('a'))).toBe('envelope_exhausted')
  })

  it('wants a block that is a positive whole number', () => {
    for (const block of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createEncryptionUsage({ reserve: async () => 0, block })).toThrow(TypeError)
    }
  })
})

describe('errors', () => {
  it('hold no key, no plaintext and no record', async () => {
    const errors = await Promise.all(
      [
        verdictError(record.replace('kte1', 'kte9')),
        verdictError(record.replace('.a.', '.c.')),
        verdictError(withBody((body) => body.toReversed())),
      ].map(async (error) => JSON.stringify({ ...(await error), message: (await error).message })),
    )
    for (const text of errors) {
      expect(text).not.toContain(record.slice(7, 30))
      expect(text).not.toContain('secret of')
      expect(text).not.toMatch(/[A-Za-z0-9_+/-]{40}/)
    }
  })

  async function verdictError(changed: string): Promise<EnvelopeError> {
    const reason: unknown = await envelope.open(changed, place).catch((error: unknown) => error)
    if (!(reason instanceof EnvelopeError)) throw new TypeError('the record is refused')
    return reason
  }
})
