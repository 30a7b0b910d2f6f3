import { describe, expect, it } from 'vitest'
import { AuthError, type Clock, createJwksFetcher, systemClock } from '../src/index.ts'
import { codeOf, publicJwk, RFC8037 } from './fixtures.ts'

const URL_ = 'https://issuer.example/.well-known/jwks.json'
const document = JSON.stringify({ keys: [publicJwk], revision: 7 })
const json = { 'content-type': 'application/jwk-set+json' }

function fetcher(
  answer: (request: Request) => Response | Promise<Response>,
  options: { clock?: Clock; timeoutMs?: number } = {},
) {
  return createJwksFetcher({
    url: URL_,
    fetch: async (request) => await answer(request),
    clock: systemClock,
    headers: { 'CF-Access-Client-Id': 'id', 'CF-Access-Client-Secret': 'secret' },
    ...options,
  })
}

async function reasonOf(answer: (request: Request) => Response | Promise<Response>) {
  return await fetcher(answer)().then(
    () => 'accepted',
    (error: unknown) => (error instanceof AuthError ? (error.details.reason ?? error.code) : error),
  )
}

describe('createJwksFetcher', () => {
  it('reads a JWKS, with its headers and without following redirects', async () => {
    let seen: Request | undefined
    const loaded = await fetcher((request) => {
      seen = request
      return new Response(document, { headers: json })
    })()
    expect(loaded.jwks.revision).toBe(7)
    expect(loaded.jwks.keys.map(({ kid }) => kid)).toEqual([RFC8037.kid])
    expect(loaded.fetchedAtMs).toBe(loaded.asOfMs)
    expect(seen?.url).toBe(URL_)
    expect(seen?.redirect).toBe('manual')
    expect(seen?.headers.get('cf-access-client-secret')).toBe('secret')
  })

  it('attack 70: names the answers of Cloudflare Access', async () => {
    const login = 'https://team.cloudflareaccess.com/cdn-cgi/access/login/issuer.example?kid=x'
    const redirect = (location: string, status = 302) =>
      reasonOf(() => new Response(null, { status, headers: { location } }))
    expect(await redirect(login)).toBe('access_login')
    expect(await redirect('/cdn-cgi/access/login')).toBe('access_login')
    expect(await redirect('https://other.example/')).toBe('redirected')
    expect(await redirect('https://cloudflareaccess.com.evil.example/', 307)).toBe('redirected')
    for (const status of [401, 403]) {
      expect(await reasonOf(() => new Response('error code: 1010', { status }))).toBe(
        'access_denied',
      )
    }
    const html = { 'content-type': 'text/html; charset=utf-8' }
    expect(await reasonOf(() => new Response('<html>', { headers: html }))).toBe('access_login')
  })

  it('attack 28: refuses every answer that is no JWKS', async () => {
    expect(await reasonOf(() => new Response(null, { status: 204 }))).toBe('status')
    expect(await reasonOf(() => new Response('{}', { status: 500 }))).toBe('status')
    expect(
      await reasonOf(() => new Response(document, { headers: { 'content-type': 'text/plain' } })),
    ).toBe('not_json')
    expect(await reasonOf(() => new Response('{"keys":', { headers: json }))).toBe('not_json')
    expect(await reasonOf(() => new Response('{"keys":[]}', { headers: json }))).toBe(
      'jwks_invalid',
    )
    const deep = '['.repeat(100_000)
    expect(await reasonOf(() => new Response(`{"keys":${deep}`, { headers: json }))).toBe(
      'not_json',
    )
  })

  it('stops reading at the size limit, however long the body is', async () => {
    let sent = 0
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 65_536
            controller.enqueue(new Uint8Array(65_536))
          },
        }),
        { headers: json },
      )
    expect(await reasonOf(endless)).toBe('too_large')
    expect(sent).toBeLessThan(1_000_000)
  })

  it('gives up at its deadline, also in the middle of a body', async () => {
    const slow = fetcher(
      () =>
        new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(1)) }), {
          headers: json,
        }),
      { timeoutMs: 30 },
    )
    const error = await slow().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'keys_unavailable', details: { reason: 'timeout' } })
  })

  it('keeps the cause of a network failure', async () => {
    const cause = new TypeError('fetch failed')
    const failing = fetcher(() => Promise.reject(cause))
    const error = await failing().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'keys_unavailable',
      details: { reason: 'unreachable' },
      cause,
    })
    expect(await codeOf(failing)).toBe('keys_unavailable')
  })
})
