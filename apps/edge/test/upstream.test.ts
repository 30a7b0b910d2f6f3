import { beforeEach, describe, expect, it } from 'vitest'
import { upstreamUrl } from '../src/upstream.ts'
import { freshWorld, newIsolate, newKey, origin } from './support.ts'

const key = await newKey()

let edge = newIsolate()
beforeEach(async () => {
  await freshWorld()
  await origin.publish([key], 1_000)
  edge = newIsolate()
})

async function through(path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${await key.token()}`)
  const response = await edge.request(path, { ...init, headers })
  const seen = (await origin.requests()).find(({ url }) => url.includes('upstream.test'))
  return { response, seen }
}

describe('a route with an upstream', () => {
  it('passes on path, query, method and body, and the identity in place of the token', async () => {
    await origin.answer({ body: 'hello', headers: { 'x-answer': 'yes' } }, 'upstream.test')
    const { response, seen } = await through('/up/a/b?c=d', { method: 'POST', body: 'payload' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('hello')
    expect(response.headers.get('x-answer')).toBe('yes')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(seen).toMatchObject({
      method: 'POST',
      url: 'https://upstream.test/base/up/a/b?c=d',
      body: 'payload',
      headers: {
        'x-keyturn-subject': 'client:reports',
        'x-keyturn-client-id': 'reports',
        'x-keyturn-scope': 'reports:read',
      },
    })
    expect(seen?.headers).not.toHaveProperty('authorization')
  })

  it('attack 78: no client can forge an identity, nor have it dropped by Connection', async () => {
    const { seen } = await through('/up/x', {
      headers: {
        'x-keyturn-subject': 'root',
        X_Keyturn_Subject: 'root',
        'x-keyturn_admin': 'true',
        connection: 'x-keyturn-subject, x-internal, keep-alive',
        'x-internal': '1',
        'x-plain': 'kept',
      },
    })
    expect(seen?.headers['x-keyturn-subject']).toBe('client:reports')
    expect(JSON.stringify(seen?.headers)).not.toContain('root')
    expect(seen?.headers).not.toHaveProperty('x-keyturn_admin')
    expect(seen?.headers).not.toHaveProperty('x-internal')
    expect(seen?.headers['x-plain']).toBe('kept')
  })

  it('hands a redirect to the client and does not follow it', async () => {
    await origin.answer(
      { status: 302, headers: { location: 'https://canary.test/' } },
      'upstream.test',
    )
    const { response } = await through('/up/x')
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('https://canary.test/')
    expect((await origin.requests()).some(({ url }) => url.includes('canary'))).toBe(false)
  })

  it('answers 502 where the upstream cannot be reached', async () => {
    await origin.answer({ down: true }, 'upstream.test')
    const { response } = await through('/up/x')
    expect(response.status).toBe(502)
    expect(await response.json()).toEqual({ error: 'bad_gateway' })
  })

  it('refuses an identity that is no header value', async () => {
    const response = await edge.get('/up/x', await key.token({ sub: 'client:é\r\nx: y' }))
    expect(response.status).toBe(401)
    expect((await origin.requests()).some(({ url }) => url.includes('upstream'))).toBe(false)
  })

  it('joins paths with one slash', () => {
    const request = new URL('https://edge.test/up/x?q=1')
    for (const base of ['https://u.test', 'https://u.test/', 'https://u.test/b/']) {
      const path = base.endsWith('b/') ? '/b/up/x' : '/up/x'
      expect(upstreamUrl(new URL(base), request).href).toBe(`https://u.test${path}?q=1`)
    }
  })
})
