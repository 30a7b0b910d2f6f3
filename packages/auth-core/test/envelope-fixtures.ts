import { type EncryptionKeys, EnvelopeError } from '../src/signing.ts'

/** Fixed keys: 32 bytes each, all of one value. */
export function keyOf(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(32).fill(value)
}

/** AES keys `a`, `b`, `c` as far as they are named; the first name is active. */
export function keysOf(...kids: ('a' | 'b' | 'c')[]): EncryptionKeys {
  const value = { a: 1, b: 2, c: 3 }
  return {
    activeKid: kids[0] ?? '',
    keys: new Map(kids.map((kid) => [kid, keyOf(value[kid])])),
  }
}

export const place = { table: 'families', row: 'row-1', column: 'secret' } as const

/** The code of the `EnvelopeError` that `run` throws; the error itself where it is another one. */
export async function envelopeCodeOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error instanceof EnvelopeError ? error.code : error
  }
  return 'opened'
}
