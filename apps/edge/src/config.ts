import type { Seconds } from '@keyturn/auth-core'
import { parseRoutes, type Route } from './route-table.ts'

/** What a verifier does that cannot reach the hub: go on with what it holds, or refuse. */
export type OnPartition = 'serve' | 'refuse'

/** The Worker's configuration, checked. */
export interface EdgeConfig {
  /** The one issuer, compared with `iss` character by character. */
  readonly issuer: string
  /** The origin's JWKS, possibly behind Cloudflare Access. */
  readonly jwksUrl: string
  /** Sent to `jwksUrl` only. */
  readonly jwksHeaders: Readonly<Record<string, string>>
  /** `whpk_…` of those who may ping; empty: nobody may. */
  readonly pingPublicKeys: string
  /** Seconds allowed between the issuer's clock and ours when a token's times are judged. */
  readonly clockTolerance: Seconds
  /** Seconds by which a token's `iat` may be off when a key set is asked whether a kid exists. */
  readonly clockDifference: Seconds
  /** `max-age` of the published JWKS. */
  readonly jwksMaxAge: Seconds
  readonly onPartition: OnPartition
  readonly routes: readonly Route[]
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/

/**
 * Checks the Worker's variables and secrets, once, and turns them into configuration.
 *
 * Refused: a missing or malformed ISSUER, JWKS_URL or AUDIENCE; http where the host is not loopback;
 * numbers out of range; an unknown ON_PARTITION; one half of the Access service token without the
 * other; a malformed route. PING_PUBLIC_KEYS is read by `parsePingKeys`.
 *
 * @throws {TypeError} that names every variable which is wrong, and never holds a value
 */
export function parseConfig(env: object): EdgeConfig {
  const problems: string[] = []
  function attempt<T>(read: () => T, fallback: T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      problems.push(error.message)
      return fallback
    }
  }
  const of = <T>(name: string, read: (value: unknown, name: string) => T, fallback: T): T =>
    attempt(() => read(Reflect.get(env, name), name), fallback)

  const base = {
    issuer: of('ISSUER', parseIssuer, 'invalid'),
    audience: of('AUDIENCE', parseAudience, ['invalid']),
    clockTolerance: of('CLOCK_TOLERANCE', upTo(300, 60), 60),
  }
  const config: EdgeConfig = {
    issuer: base.issuer,
    jwksUrl: of('JWKS_URL', parseOrigin, ''),
    jwksHeaders: attempt(() => accessHeaders(env), {}),
    pingPublicKeys: of('PING_PUBLIC_KEYS', optionalText, ''),
    clockTolerance: base.clockTolerance,
    clockDifference: of('CLOCK_DIFFERENCE', upTo(300, 60), 60),
    jwksMaxAge: of('JWKS_MAX_AGE', upTo(86_400, 300), 300),
    onPartition: of('ON_PARTITION', parseOnPartition, 'serve'),
    routes: of('ROUTES', (value) => parseRoutes(value ?? [], base), []),
  }
  if (problems.length > 0) throw new TypeError(`configuration: ${problems.join('; ')}`)
  return config
}

function parseIssuer(value: unknown, name: string): string {
  const url = parseUrl(value, name)
  if (url.search !== '' || url.hash !== '') {
    throw new TypeError(`${name} has no query and no fragment (RFC 8414 section 2)`)
  }
  return String(value)
}

function parseOrigin(value: unknown, name: string): string {
  return parseUrl(value, name).href
}

function parseUrl(value: unknown, name: string): URL {
  if (typeof value !== 'string' || !URL.canParse(value)) throw new TypeError(`${name} is a URL`)
  const url = new URL(value)
  const safe =
    url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
  if (!safe) throw new TypeError(`${name} is an https URL (http on a loopback address only)`)
  if (url.username !== '' || url.password !== '') throw new TypeError(`${name} has no credentials`)
  return url
}

function parseAudience(value: unknown, name: string): readonly string[] {
  const audience = optionalText(value, name)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  if (audience.length === 0) throw new TypeError(`${name} names at least one audience`)
  return audience
}

function parseOnPartition(value: unknown, name: string): OnPartition {
  const word = optionalText(value, name) || 'serve'
  if (word !== 'serve' && word !== 'refuse') throw new TypeError(`${name} is serve or refuse`)
  return word
}

function optionalText(value: unknown, name: string): string {
  if (value === undefined) return ''
  if (typeof value !== 'string') throw new TypeError(`${name} is a text`)
  return value.trim()
}

function upTo(max: Seconds, fallback: Seconds): (value: unknown, name: string) => Seconds {
  return (value, name) => {
    if (value === undefined || value === '') return fallback
    const seconds = /^[0-9]{1,6}$/.test(String(value)) ? Number(value) : Number.NaN
    if (!(seconds <= max)) throw new TypeError(`${name} is 0 to ${max} whole seconds`)
    return seconds
  }
}

function accessHeaders(env: object): Readonly<Record<string, string>> {
  const id = optionalText(Reflect.get(env, 'ACCESS_CLIENT_ID'), 'ACCESS_CLIENT_ID')
  const secret = optionalText(Reflect.get(env, 'ACCESS_CLIENT_SECRET'), 'ACCESS_CLIENT_SECRET')
  if ((id === '') !== (secret === '')) {
    throw new TypeError('ACCESS_CLIENT_ID and ACCESS_CLIENT_SECRET are set together')
  }
  return id === '' ? {} : { 'CF-Access-Client-Id': id, 'CF-Access-Client-Secret': secret }
}
