import type { Readable } from 'node:stream'
import { usageError } from './cli-error.ts'

/** More than any token or secret. */
const MAX_BYTES = 65_536

/**
 * Reads a stream of text to its end.
 *
 * @throws {CliError} usage, for more than 64 KiB
 */
export async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > MAX_BYTES) throw usageError('standard input holds at most 64 KiB')
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
