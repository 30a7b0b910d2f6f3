const MAX_DEPTH = 32
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const COLON = 0x3a

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON object as it came from outside: nothing is known of its members. */
export type JsonObject = { readonly [name: string]: unknown }

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses JSON that must be one object, or answers `undefined`.
 *
 * Stricter than `JSON.parse`: valid UTF-8 without a byte order mark, no name twice in one object,
 * no lone surrogate, at most 32 levels, and no member called `__proto__`.
 *
 * @see RFC 7515 section 4, RFC 7519 section 4 (duplicate names), RFC 8725 section 3.7 (UTF-8)
 */
export function parseJsonObject(input: Uint8Array | string): JsonObject | undefined {
  try {
    const text = typeof input === 'string' ? input : decoder.decode(input)
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) && isClean(text) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether text that `JSON.parse` took is free of what it lets pass. Its grammar is known to hold: a
 * string before a colon is a name, every other one is a value.
 */
function isClean(text: string): boolean {
  const scopes: (string[] | undefined)[] = []
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === QUOTE) {
      const end = endOfString(text, index)
      if (!isCleanString(text, index, end, scopes.at(-1))) return false
      index = end
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (scopes.push(char === OPEN_OBJECT ? [] : undefined) > MAX_DEPTH) return false
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) scopes.pop()
  }
  return true
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let index = start + 1
  for (;;) {
    const quote = text.indexOf('"', index)
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return quote
    index = quote + 1
  }
}

function isCleanString(
  text: string,
  start: number,
  end: number,
  names: string[] | undefined,
): boolean {
  let string = text.slice(start + 1, end)
  if (string.includes('\\')) {
    string = JSON.parse(text.slice(start, end + 1)) as string
    if (!string.isWellFormed()) return false
  }
  if (names === undefined || !isBeforeColon(text, end)) return true
  if (string === '__proto__' || names.includes(string)) return false
  names.push(string)
  return true
}

function isBeforeColon(text: string, quote: number): boolean {
  let index = quote + 1
  while (text.charCodeAt(index) <= 0x20) index++
  return text.charCodeAt(index) === COLON
}
