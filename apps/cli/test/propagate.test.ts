import { createServer } from 'node:http'
import { acknowledge, systemClock } from '@keyturn/auth-core'
import {
  createPingSigner,
  generateFreshKey,
  type Keyring,
  type PingSigner,
  publishJwks,
} from '@keyturn/auth-core/signing'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Fetch, requestJson } from '../src/http.ts'
import { answersOf, judge, propagate, recipientsOf } from '../src/propagate.ts'

const ISSUER = 'https://issuer.example'
const recipients = recipientsOf(ISSUER, [{ name: 'eu', url: 'https://eu.example/' }])

let keyring: Keyring
let signer: PingSigner
beforeAll(async () => {
  keyring = { keys: [await generateFreshKey('EdDSA', 1)], revocations: [], revision: 7 }
  const { privateJwk } = await generateFreshKey('EdDSA', 1)
  if (!privateJwk) throw new Error('a fresh key is private')
  signer = await createPingSigner(privateJwk)
})

const send = (fetch: Fetch, by: PingSigner | undefined = signer) =>
  propagate(keyring, recipients, { signer: by, issuer: ISSUER, fetch, clock: systemClock })
const problems = async (fetch: Fetch) => (await send(fetch)).map(({ problem }) => problem)

describe('propagate', () => {
  it('names the issuer and every edge, below their base URLs', () => {
    expect(recipients.map(({ name, url }) => `${name} ${url}`)).toEqual([
      'issuer https://issuer.example/hooks/rotation',
      'edge eu https://eu.example/internal/rotation',
    ])
  })

  it('signs every ping anew, so that nobody can hand one on', async () => {
    const ids: unknown[] = []
    await send(async (_url, { headers }) => {
      ids.push(new Headers(headers).get('webhook-id'))
      return new Response('{}', { status: 200 })
    })
    expect(new Set(ids).size).toBe(2)
  })

  it.each([
    [401, { error: 'invalid_ping' }, 'does not accept the ping'],
    [503, { error: 'keys_unavailable' }, 'has no keys yet'],
    [500, {}, 'answers 500 to a ping'],
    [302, {}, 'redirects to somewhere else'],
    [200, { hello: 1 }, 'answers 200 without an acknowledgement'],
  ])('says what an answer %d %j means', async (status, body, words) => {
    const [first] = await problems(async () => Response.json(body, { status }))
    expect(first).toContain(words)
  })

  it('takes nobody for an error: an unreachable recipient is a problem in words', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const [first] = await problems(() =>
      Promise.reject(new TypeError('fetch failed', { cause: refused })),
    )
    expect(first).toBe('it cannot be reached: ECONNREFUSED')
  })

  it('asks nobody without a ping key', async () => {
    const deliveries = await propagate(keyring, recipients, {
      signer: undefined,
      issuer: ISSUER,
      fetch: () => Promise.reject(new Error('asked')),
      clock: systemClock,
    })
    expect(deliveries.map(({ problem }) => problem)).toEqual([
      'not asked: there is no ping key',
      'not asked: there is no ping key',
    ])
    expect(answersOf(deliveries, 'edge')).toEqual([{ name: 'edge eu' }])
  })

  it('says that somebody holds the keys only with their digest and at least their revision', async () => {
    const same = await acknowledge(publishJwks(keyring), 9)
    const holds = async (acknowledgement: typeof same) => {
      const recipient = { role: 'edge', name: 'edge eu', url: '' } as const
      const [verdict] = await judge(keyring, [{ recipient, ms: 3, acknowledgement }])
      return verdict?.holds
    }
    expect(await holds(same)).toBe(true)
    expect(await holds({ ...same, age: 0 })).toBe(true)
    expect(await holds({ ...same, revision: keyring.revision + 1 })).toBe(true)
    expect(await holds({ ...same, revision: keyring.revision - 1 })).toBe(false)
    expect(await holds({ ...same, jwks_sha256: 'other' })).toBe(false)
  })

  it('gives up on a recipient that does not answer within its deadline', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    const asked = requestJson(fetch, url, { who: 'it', deadlineMs: 100 })
    await expect(asked).rejects.toMatchObject({ code: 'timeout', exit: 4 })
    server.closeAllConnections()
    server.close()
  })
})
