import { isJsonObject, type JsonObject } from '@keyturn/auth-core'
import { InfisicalError, type InfisicalErrorCode } from './errors.ts'
import { isGrantCall, parseGrant } from './grant.ts'

/** One HTTP answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** The call that was answered. `secrets` are the strings that must not come back in a message. */
export interface Call {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly secrets: readonly string[]
}

const MAX_MESSAGE_CHARS = 300
const ACCESS_MARKERS =
  /cloudflareaccess\.com|cdn-cgi\/access|cloudflare[ -]access|cf-access|access login/i

/**
 * Turns one HTTP answer into the JSON it carries (undefined for an empty body), or into the error
 * that it means. Checked in this order: redirects, Cloudflare's own answers, the status, the
 * content type, the JSON, and for logins and renewals that a token came.
 *
 * @throws {InfisicalError} any code that a server can cause
 */
export function readAnswer(answer: Answer, call: Call, nowMs: number): unknown {
  const facts = { status: answer.status, method: call.method, path: call.path }
  const ok = answer.status >= 200 && answer.status < 300
  const body = parseBody(answer)
  refuseRedirect(answer, facts)
  if (!isOfInfisical(body, ok)) refuseCloudflare(answer, facts)
  if (!ok) throw refusal(answer, body, call, nowMs)
  if (body === NOT_JSON) {
    throw new InfisicalError('not_json', 'expected a JSON answer from Infisical', {
      ...facts,
      contentType: mediaType(answer.headers),
    })
  }
  if (isGrantCall(call.path)) parseGrant(body)
  return body
}

type CallFacts = { readonly status: number; readonly method: string; readonly path: string }

function refuseRedirect({ status, headers }: Answer, facts: CallFacts): void {
  if (status < 300 || status >= 400 || status === 304) return
  const location = headers.get('location') ?? ''
  if (ACCESS_MARKERS.test(location)) throw accessBlocked('redirect', facts)
  // Only the host: the query of a login redirect can carry signed state.
  const host = URL.canParse(location) ? new URL(location).host : undefined
  const message = 'expected an answer from Infisical itself, got a redirect'
  throw new InfisicalError('redirected', message, { ...facts, host })
}

/** Infisical's errors have a `statusCode`; of a success it is enough that it is JSON. */
function isOfInfisical(body: unknown, ok: boolean): boolean {
  return ok ? body !== NOT_JSON : isJsonObject(body) && 'statusCode' in body
}

/**
 * Newer Access organisations answer 401 or 403 to a bad service token, older ones redirect to a
 * login page, and some bot rules answer HTML with 200 or 403.
 */
function refuseCloudflare({ status, headers, text }: Answer, facts: CallFacts): void {
  if (![200, 401, 403].includes(status)) return
  const marked =
    ACCESS_MARKERS.test(text) ||
    ACCESS_MARKERS.test(headers.get('www-authenticate') ?? '') ||
    headers.has('cf-access-domain') ||
    headers.has('cf-access-aud')
  const fromCloudflare = headers.get('server') === 'cloudflare' || headers.has('cf-ray')
  const html = mediaType(headers) === 'text/html'
  if (marked || (html && fromCloudflare)) throw accessBlocked(html ? 'html' : 'status', facts)
}

function accessBlocked(via: 'redirect' | 'html' | 'status', facts: CallFacts): InfisicalError {
  const message = 'expected an answer from Infisical, got one of Cloudflare Access'
  return new InfisicalError('access_blocked', message, { ...facts, via })
}

const NOT_JSON = Symbol('not JSON')

function parseBody({ status, headers, text }: Answer): unknown {
  if (status === 204 || (text === '' && status < 300)) return undefined
  if (!isJson(headers)) return NOT_JSON
  try {
    return JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}

function isJson(headers: Headers): boolean {
  const type = mediaType(headers)
  return type === 'application/json' || type?.endsWith('+json') === true
}

function mediaType(headers: Headers): string | undefined {
  return headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
}

/** What the first matching rule names, the refusal is. Order matters: special before general. */
const RULES: readonly (readonly [InfisicalErrorCode, (refused: Refused) => boolean])[] = [
  ['rate_limited', ({ status }) => status === 429],
  ['server_error', ({ status }) => status >= 500],
  ['not_json', ({ json }) => !json],
  ['invalid_request', ({ error, status }) => error === 'ValidationFailure' || status === 422],
  ['locked', ({ status, message }) => status === 423 || /\blocked\b/i.test(message)],
  ['untrusted_ip', ({ status, message }) => status === 403 && /\bIP address\b/i.test(message)],
  ['token_lost', ({ status, error }) => status === 403 && error === 'TokenError'],
  ['invalid_credentials', ({ status, login }) => login && [401, 403, 404].includes(status)],
  ['token_lost', ({ status }) => status === 401],
  ['forbidden', ({ status }) => status === 403],
  ['not_found', ({ status }) => status === 404],
  ['conflict', ({ status, message }) => status === 409 || /already exist/i.test(message)],
  ['invalid_request', ({ status }) => status === 400 || status === 413],
]

interface Refused {
  readonly status: number
  readonly json: boolean
  readonly login: boolean
  /** The server's own class of error, such as `TokenError`; empty where it named none. */
  readonly error: string
  readonly message: string
}

const EXPECTED: Partial<Record<InfisicalErrorCode, string>> = {
  rate_limited: 'expected to be within the rate limit',
  server_error: 'expected the server to be able to answer',
  not_json: 'expected a JSON answer from Infisical',
  invalid_request: 'expected a request that the server takes',
  locked: 'expected an identity that is not locked',
  untrusted_ip: 'expected to call from a trusted IP address',
  token_lost: 'expected an access token that is still good',
  invalid_credentials: 'expected credentials that the server accepts',
  forbidden: 'expected the identity to have the permission',
  not_found: 'expected the thing asked for to exist',
  conflict: 'expected the name to be free',
}

function refusal(answer: Answer, body: unknown, call: Call, nowMs: number): InfisicalError {
  const { status, headers } = answer
  const json = isJsonObject(body) ? body : {}
  const said = saidMessage(json)
  const refused: Refused = {
    status,
    json: body !== NOT_JSON,
    login: /\/login$/.test(call.path),
    error: typeof json.error === 'string' ? json.error : '',
    message: said,
  }
  const code = RULES.find(([, matches]) => matches(refused))?.[0] ?? 'unexpected_answer'
  const expected = EXPECTED[code] ?? 'expected an answer that the API documents'
  const shown = withhold(said, call.secrets).replace(/\s+/g, ' ').slice(0, MAX_MESSAGE_CHARS)
  return new InfisicalError(code, shown ? `${expected}: ${shown}` : expected, {
    status,
    retryAfter: parseRetryAfter(headers.get('retry-after'), nowMs),
    method: call.method,
    path: call.path,
    reason: reasonOf(code, said),
    requestId: typeof json.reqId === 'string' ? json.reqId : undefined,
  })
}

/** `message` is a string, or an array of validation issues. */
function saidMessage({ message }: JsonObject): string {
  const issues = Array.isArray(message) ? message : [message]
  return issues.map(issueText).filter(Boolean).join('; ')
}

function issueText(issue: unknown): string {
  if (typeof issue === 'string') return issue
  if (!isJsonObject(issue) || typeof issue.message !== 'string') return ''
  const path = Array.isArray(issue.path) ? issue.path.join('.') : ''
  return path ? `${path}: ${issue.message}` : issue.message
}

function withhold(text: string, secrets: readonly string[]): string {
  return secrets.reduce((kept, secret) => kept.replaceAll(secret, '<withheld>'), text)
}

/** Finer than the code, for {@link likelyCauses} and for a 404 that is not about the secret. */
export type RefusalReason =
  | 'unknown_client'
  | 'expired_secret'
  | 'exhausted_secret'
  | 'missing_secret'
  | 'missing_folder'
  | 'missing_project'

const REASONS: readonly (readonly [RefusalReason, InfisicalErrorCode, RegExp])[] = [
  ['unknown_client', 'invalid_credentials', /client ID was found/i],
  ['expired_secret', 'invalid_credentials', /expired client secret/i],
  ['exhausted_secret', 'invalid_credentials', /usage limit reached/i],
  ['missing_project', 'not_found', /^Project\b/i],
  ['missing_folder', 'not_found', /^Folder\b/i],
  ['missing_secret', 'not_found', /^Secret\b/i],
]

function reasonOf(code: InfisicalErrorCode, said: string): RefusalReason | undefined {
  return REASONS.find(([, of, words]) => of === code && words.test(said))?.[0]
}

/** Seconds, from either form of the header (RFC 9110 section 10.2.3); undefined where unreadable. */
function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined
  if (/^\d{1,9}$/.test(value.trim())) return Number(value)
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, Math.ceil((atMs - nowMs) / 1000))
}
