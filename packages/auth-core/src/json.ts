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
    if (depthOf(text) > MAX_DEPTH) return undefined
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) && hasCleanNames(text) ? value : undefined
  } catch {
    return undefined
  }
}

/** Index just after the string that opens at `start`; the text's end where it is never closed. */
function endOfString(text: string, start: number): number {
  let index = start + 1
  while (index < text.length) {
    const char = text.charCodeAt(index)
    if (char === QUOTE) return index + 1
    index += char === BACKSLASH ? 2 : 1
  }
  return text.length
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === QUOTE) index = endOfString(text, index) - 1
    else if (char === OPEN_OBJECT || char === OPEN_ARRAY) deepest = Math.max(deepest, ++depth)
    else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) depth--
  }
  return deepest
}

/** For text that `JSON.parse` took: a string before a colon is a name, others are values. */
function hasCleanNames(text: string): boolean {
  const open: Set<string>[] = []
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index)
    if (char === OPEN_OBJECT) open.push(new Set())
    else if (char === CLOSE_OBJECT) open.pop()
    else if (char === QUOTE) {
      const end = endOfString(text, index)
      const string = unescaped(text, index, end)
      if (string === undefined) return false
      if (isName(text, end)) {
        const names = open.at(-1)
        if (names === undefined || names.has(string) || string === '__proto__') return false
        names.add(string)
      }
      index = end - 1
    }
  }
  return true
}

function unescaped(text: string, start: number, end: number): string | undefined {
  const raw = text.slice(start + 1, end - 1)
  if (!raw.includes('\\')) return raw
  const string: unknown = JSON.parse(text.slice(start, end))
  return typeof string === 'string' && string.isWellFormed() ? string : undefined
}

function isName(text: string, after: number): boolean {
  let index = after
  while (index < text.length && text.charCodeAt(index) <= 0x20) index++
  return text.charCodeAt(index) === COLON
}
