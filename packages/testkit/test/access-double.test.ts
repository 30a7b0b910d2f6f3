import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AccessRefusal, isPortTaken, startAccessDouble } from '../src/index.ts'

const seen: Record<string, string | string[] | undefined>[] = []
const origin = createServer((request, response) => {
  seen.push(request.headers)
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url }))
})
let originUrl: string

beforeAll(async () => {
  await new Promise<void>((ready) => origin.listen(0, '127.0.0.1', ready))
  originUrl = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`
})
afterAll(() => origin.close())

function start(refusal: AccessRefusal = 'redirect') {
  return startAccessDouble({ origin: originUrl, clientId: 'id', clientSecret: 'secret', refusal })
}

const right = { 'CF-Access-Client-Id': 'id', 'CF-Access-Client-Secret': 'secret' }

describe('the double of Cloudflare Access', () => {
  it('lets the right service token through, and keeps it from the origin', async () => {
    const access = await start()
    const answer = await fetch(`${access.url}/keys?a=1`, { headers: right })
    expect(await answer.json()).toEqual({ path: '/keys?a=1' })
    expect(seen.at(-1)).not.toHaveProperty('cf-access-client-secret')
    expect(access.counts).toEqual({ passed: 1, refused: 0 })
    await access.close()
  })

  it.each([
    ['redirect', 302],
    ['forbidden', 403],
    ['html', 200],
  ] as const)(
    'refuses as Access does (%s: %i), without a request to the origin',
    async (refusal, status) => {
      const access = await start(refusal)
      const before = seen.length
      for (const headers of [{}, { ...right, 'CF-Access-Client-Secret': 'wrong' }]) {
        const answer = await fetch(`${access.url}/keys`, { headers, redirect: 'manual' })
        expect(answer.status).toBe(status)
        await answer.body?.cancel()
      }
      expect(seen.length).toBe(before)
      expect(access.counts).toEqual({ passed: 0, refused: 2 })
      await access.close()
      expect(await isPortTaken(Number(new URL(access.url).port))).toBe(false)
    },
  )
})
