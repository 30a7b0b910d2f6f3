import { InfisicalError } from './errors.ts'

const PAIR = /\s*([^\s=]+)=(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"']\S*)?)(?=\s|$)/y
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Set by the transport itself: a second value would break the framing or replace the bearer. */
const RESERVED: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'host',
  'transfer-encoding',
  'user-agent',
])

/** Infisical's own CLI passes over these two, so a shared variable may hold them. */
const PASSED_OVER: ReadonlySet<string> = new Set(['accept', 'user-agent'])

/**
 * Reads the value of INFISICAL_CUSTOM_HEADERS: pairs `Key=value` separated by white space; a value
 * with white space stands in double or single quotes, where a backslash takes the next character
 * literally. `Accept` and `User-Agent` are passed over, as Infisical's CLI does.
 *
 * @throws {InfisicalError} `invalid_config` for anything else; the message counts the pair and
 *   never shows a value
 */
export function parseCustomHeaders(text: string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  const trimmed = text.trim()
  const pair = new RegExp(PAIR)
  for (let count = 1; pair.lastIndex < trimmed.length; count++) {
    const match = pair.exec(trimmed)
    if (!match) {
      const message = `expected custom headers as Key=value Key2="quoted value", pair ${count} is not`
      throw new InfisicalError('invalid_config', message, { pair: count })
    }
    const [, name = '', doubleQuoted, singleQuoted, bare = ''] = match
    if (PASSED_OVER.has(name.toLowerCase())) continue
    headers[name] = (doubleQuoted ?? singleQuoted)?.replace(/\\(.)/g, '$1') ?? bare
  }
  return checkHeaders(headers)
}

/**
 * Gives the headers back with lower-case names.
 *
 * @throws {InfisicalError} `invalid_config` for a name or value that HTTP does not allow, and for
 *   headers that belong to the transport
 */
export function checkHeaders(
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase()
    if (!NAME.test(name) || !VALUE.test(value)) {
      const message = 'expected custom headers to have a name and value that HTTP allows'
      throw new InfisicalError('invalid_config', message, { name: key })
    }
    if (RESERVED.has(key)) {
      const message = `expected no custom header ${key}, it belongs to the transport`
      throw new InfisicalError('invalid_config', message, { name: key })
    }
    checked[key] = value
  }
  return checked
}
