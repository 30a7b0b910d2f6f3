import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** One recorded request and what the real server answered. */
export interface Recording {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: unknown
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: unknown
  }
}

export function readRecordings(name: string): readonly (readonly [string, Recording])[] {
  const url = new URL(`recordings/${name}.json`, import.meta.url)
  return Object.entries(JSON.parse(readFileSync(url, 'utf8')) as Record<string, Recording>)
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const isUuid = (text: string) => new RegExp(`^${uuid.source}$`).test(text)
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const jwt = /^[\w-]+\.[\w-]+\.[\w-]+$/
const abbreviated = /^(.)\1+…<(\d+) chars, sha256 ([0-9a-f]{16})>$/u

/** The ids of the recorded server and those that stand for them here, learnt from the answers. */
export function createIdBook() {
  const here = new Map<string, string>()

  /** Writes a recorded text with the ids of this server. */
  const translate = (text: string): string => text.replace(uuid, (id) => here.get(id) ?? id)

  /** Notes which id stands for which, wherever a recorded answer and an actual one show one each. */
  const learn = (recorded: unknown, actual: unknown): void => {
    if (typeof recorded === 'string' && typeof actual === 'string') {
      if (isUuid(recorded) && isUuid(actual) && !here.has(recorded)) here.set(recorded, actual)
      return
    }
    if (!isRecord(recorded) || !isRecord(actual)) return
    for (const [key, value] of Object.entries(recorded)) learn(value, actual[key])
  }

  return { translate, learn }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Puts an abbreviated value back at full length, and checks that it is the recorded one. */
export function unabbreviate(text: string): string {
  const [, char = '', length = '0', digest] = abbreviated.exec(text) ?? []
  if (digest === undefined) return text
  const value = char.repeat(Number(length))
  if (!createHash('sha256').update(value).digest('hex').startsWith(digest)) {
    throw new Error('an abbreviated recording does not have the digest that it names')
  }
  return value
}

/** Rebuilds a JSON value with every text passed through `change`. */
export function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]),
  )
}

/** Drops members by name, wherever they stand. */
export function without(value: unknown, names: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, names))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !names.includes(key))
      .map(([key, item]) => [key, without(item, names)]),
  )
}

/** Replaces what differs from one run to the next by what kind of thing it is. */
export function normalised(value: unknown): unknown {
  return mapTexts(sorted(value), (text) => {
    if (text === '<jwt>' || (text.length > 80 && jwt.test(text))) return '<jwt>'
    if (instant.test(text)) return '<instant>'
    if (/^<clientSecret/.test(text) || /^[0-9a-f]{64}$/.test(text)) return '<client secret>'
    return text
  })
}

// Secrets are listed by id, and ids are random.
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort(bySecret)
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sorted(item)]))
}

const bySecret = (one: unknown, other: unknown) => secretOf(one).localeCompare(secretOf(other))
const secretOf = (value: unknown) =>
  isRecord(value) && 'secretKey' in value ? `${value.secretPath}/${value.secretKey}` : ''

/** Whether a body is the same in every run, so that even its entity tag must be the recorded one. */
export function isConstant(body: unknown): boolean {
  const text = JSON.stringify(body)
  return !new RegExp(uuid.source).test(text) && !/<jwt>|<pkcs8 pem>|…/.test(text)
}
