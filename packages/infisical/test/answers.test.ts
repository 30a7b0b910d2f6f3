import { describe, expect, it } from 'vitest'
import { readAnswer } from '../src/answers.ts'
import { InfisicalError } from '../src/index.ts'
import recorded from './fixtures/recorded-refusals.json' with { type: 'json' }

const NOW_MS = Date.parse('2026-11-21T12:00:00Z')
const LIST = { method: 'GET', path: '/api/v3/secrets/raw', secrets: [] }
const LOGIN = { method: 'POST', path: '/api/v1/auth/universal-auth/login', secrets: [] }

function refused(
  answer: { status: number; headers?: Record<string, string>; text?: string },
  call: Parameters<typeof readAnswer>[1] = LIST,
): InfisicalError {
  const { status, headers = {}, text = '' } = answer
  try {
    readAnswer({ status, headers: new Headers(headers), text }, call, NOW_MS)
  } catch (error) {
    if (error instanceof InfisicalError) return error
    throw error
  }
  throw new Error('expected a refusal')
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  text: JSON.stringify(body),
})
const html = (status: number, text: string, headers: Record<string, string> = {}) => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
  text,
})

describe('a refusal recorded from a real server', () => {
  it.each(recorded)('$name is $code', ({ method, path, status, headers, body, code, reason }) => {
    const answer = { status, headers, text: JSON.stringify(body) }
    const error = refused(answer, { method, path, secrets: [] })
    expect(error).toMatchObject({ code, status })
    expect(error.details.reason).toBe(reason)
  })

  it('of the rate limit says after how many seconds to come back', () => {
    const limited = recorded.find(({ name }) => name === 'secrets-read 429')
    const answer = {
      status: 429,
      headers: limited?.headers ?? {},
      text: JSON.stringify(limited?.body),
    }
    expect(refused(answer).retryAfter).toBe(60)
  })
})

describe('a refusal of a newer server', () => {
  it.each([
    ['an unknown client id', 401, { message: 'Invalid credentials' }, 'invalid_credentials'],
    [
      'a locked identity',
      401,
      { message: 'This identity auth method is temporarily locked' },
      'locked',
    ],
    ['a validation failure', 422, { message: [], error: 'ValidationFailure' }, 'invalid_request'],
  ])('for %s is named', (_, status, body, code) => {
    expect(refused(json(status, { statusCode: status, ...body }), LOGIN).code).toBe(code)
  })

  it('keeps the id of the request for the log', () => {
    const body = { statusCode: 500, message: 'Something went wrong', reqId: 'req-1' }
    expect(refused(json(500, body)).details.requestId).toBe('req-1')
  })
})

describe('the message of a refusal', () => {
  it('joins the issues of a validation failure with their paths', () => {
    const message = [
      { path: ['clientId'], message: 'Required' },
      { path: [], message: 'Expected object' },
      'plain',
    ]
    const error = refused(json(422, { statusCode: 422, message, error: 'ValidationFailure' }))
    expect(error.message).toBe(
      'expected a request that the server takes: clientId: Required; Expected object; plain',
    )
  })

  it('never repeats a secret that the call carried, even over the limit of its length', () => {
    const secret = 's3cret-value'
    const said = `${'x'.repeat(295)}${secret} and again ${secret}`
    const call = { ...LIST, secrets: [secret] }
    const error = refused(json(400, { statusCode: 400, message: said }), call)
    expect(error.message).not.toContain('s3cre')
    expect(error.message).toContain('<with')
  })

  it('does not let a withheld value change the meaning of the refusal', () => {
    const call = { ...LIST, secrets: ['already exist'] }
    const error = refused(json(400, { statusCode: 400, message: 'Secret already exist' }), call)
    expect(error.code).toBe('conflict')
  })
})

describe('an answer that is not of Infisical', () => {
  it.each([
    [
      'a redirect to the team domain',
      {
        status: 302,
        headers: { location: 'https://team.cloudflareaccess.com/cdn-cgi/access/login/x?meta=1' },
      },
    ],
    [
      'a redirect to a login on the same host',
      { status: 302, headers: { location: '/cdn-cgi/access/login/x' } },
    ],
    ['the login page with 200', html(200, '<title>Sign in ・ Cloudflare Access</title>')],
    ['the forbidden page', html(403, '<title>Error ・ Cloudflare Access</title>')],
    ['a bot rule with 403', html(403, 'error code: 1010', { 'cf-ray': '8f0' })],
    ['a bot rule with 200', html(200, 'Just a moment...', { server: 'cloudflare' })],
    [
      '401 that names Access',
      { status: 401, headers: { 'www-authenticate': 'Cloudflare-Access' } },
    ],
    ['JSON 403 of Access', json(403, { message: 'Forbidden' }, { 'cf-access-domain': 'x' })],
  ])('is access_blocked: %s', (_, answer) => {
    expect(refused(answer).code).toBe('access_blocked')
  })

  it('is not taken for Access where Infisical itself answers behind it', () => {
    const body = { statusCode: 403, message: 'You are not allowed', error: 'PermissionDenied' }
    expect(refused(json(403, body, { 'cf-ray': '8f0', server: 'cloudflare' })).code).toBe(
      'forbidden',
    )
  })

  it.each([
    ['HTML with 200', html(200, '<html>welcome</html>'), 'not_json'],
    ['HTML with 404', html(404, '<html>nothing here</html>'), 'not_json'],
    [
      'plain text with 401',
      { status: 401, headers: { 'content-type': 'text/plain' }, text: 'no' },
      'not_json',
    ],
    [
      'broken JSON',
      { status: 200, headers: { 'content-type': 'application/json' }, text: '{"a":' },
      'not_json',
    ],
    ['JSON without its content type', { status: 200, text: '{}' }, 'not_json'],
    ['HTML with 502', html(502, '<html>bad gateway</html>'), 'server_error'],
    ['HTML with 429', html(429, '<html>slow down</html>'), 'rate_limited'],
    ['304 without a condition', { status: 304 }, 'not_json'],
    ['an unknown status', json(418, { statusCode: 418 }), 'unexpected_answer'],
  ])('is named: %s', (_, answer, code) => {
    expect(refused(answer)).toMatchObject({ code, status: answer.status })
  })

  it('is redirected, with the host alone, where it points elsewhere', () => {
    const location = 'https://other.example/api?state=signed-secret'
    const error = refused({ status: 307, headers: { location } })
    expect(error).toMatchObject({ code: 'redirected', details: { host: 'other.example' } })
    expect(JSON.stringify(error.details) + error.message).not.toContain('signed-secret')
  })
})

describe('Retry-After', () => {
  it.each([
    ['seconds', '7', 7],
    ['a date', 'Sat, 21 Nov 2026 12:00:05 GMT', 5],
    ['a date in the past', 'Sat, 21 Nov 2026 11:00:00 GMT', 0],
    ['nonsense', 'soon', undefined],
    ['a negative number', '-3', undefined],
  ])('is read from %s', (_, header, seconds) => {
    const answer = json(429, { statusCode: 429, message: 'slow' }, { 'retry-after': header })
    const retryAfter = refused(answer).retryAfter
    if (seconds === undefined) expect(retryAfter ?? 0).toBe(0)
    else expect(retryAfter).toBe(seconds)
  })
})

describe('a login', () => {
  it.each([
    ['without a token', { expiresIn: 60 }],
    ['with a token that is not text', { accessToken: 1, expiresIn: 60 }],
    ['with an empty token', { accessToken: '', expiresIn: 60 }],
    ['with a token that breaks a header', { accessToken: 'a b', expiresIn: 60 }],
    ['without its end', { accessToken: 'token' }],
    ['that ends before it begins', { accessToken: 'token', expiresIn: -1 }],
  ])('%s is not believed', (_, body) => {
    expect(refused(json(200, body), LOGIN).code).toBe('unexpected_answer')
  })

  it('is believed with a token and its life', () => {
    const body = { accessToken: 'token', expiresIn: 60 }
    const { status, headers, text } = json(200, body)
    expect(readAnswer({ status, headers: new Headers(headers), text }, LOGIN, NOW_MS)).toEqual(body)
  })
})
