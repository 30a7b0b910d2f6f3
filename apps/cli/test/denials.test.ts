import { systemClock } from '@keyturn/auth-core'
import { createPingSigner, generateFreshKey, type PingSigner } from '@keyturn/auth-core/signing'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Denial, denyEverywhere } from '../src/denials.ts'
import type { Fetch } from '../src/http.ts'
import { recipientsOf } from '../src/propagate.ts'

const ISSUER = 'https://issuer.example'
const recipients = recipientsOf(ISSUER, [
  { name: 'eu', url: 'https://eu.example' },
  { name: 'us', url: 'https://us.example' },
])
const [kid, other] = ['k'.repeat(43), 'o'.repeat(43)]

let signer: PingSigner
beforeAll(async () => {
  const { privateJwk } = await generateFreshKey('EdDSA', 1)
  if (!privateJwk) throw new Error('a fresh key is private')
  signer = await createPingSigner(privateJwk)
})

const deny = (fetch: Fetch, onDenial: (denial: Denial) => void = () => undefined) =>
  denyEverywhere({ kids: [kid], revision: 7 }, recipients, {
    signer,
    issuer: ISSUER,
    fetch,
    clock: systemClock,
    onDenial,
  })

const acknowledged = (facts: { readonly kids: string[]; readonly revoked: string[] }) =>
  Response.json({ revision: 7, jwks_sha256: 'x', ...facts })

describe('denyEverywhere', () => {
  it('asks everybody before anybody has answered, and tells of each answer when it comes', async () => {
    const waiting = new Map<string, () => void>()
    const told: string[] = []
    const denied = deny(
      (url) =>
        new Promise((resolve) => {
          const answer = acknowledged({ kids: [], revoked: [kid] })
          waiting.set(new URL(url).hostname, () => resolve(answer))
        }),
      ({ name }) => told.push(name),
    )
    await expect.poll(() => waiting.size).toBe(3)
    for (const [host, name] of [
      ['us.example', 'edge us'],
      ['issuer.example', 'issuer'],
      ['eu.example', 'edge eu'],
    ]) {
      waiting.get(host ?? '')?.()
      await expect.poll(() => told.at(-1)).toBe(name)
    }
    expect((await denied).map(({ name }) => name)).toEqual(['issuer', 'edge eu', 'edge us'])
  })

  it('sends the kids with issuer and revision, each ping signed anew', async () => {
    const sent: { id: string | null; url: string; body: unknown }[] = []
    await deny(async (url, { headers, body }) => {
      const id = new Headers(headers).get('webhook-id')
      sent.push({ id, url, body: JSON.parse(String(body)) })
      return acknowledged({ kids: [], revoked: [] })
    })
    expect(sent.map(({ url }) => url).sort()).toEqual([
      'https://eu.example/internal/rotation',
      'https://issuer.example/hooks/rotation',
      'https://us.example/internal/rotation',
    ])
    expect(new Set(sent.map(({ id }) => id)).size).toBe(3)
    expect(sent[0]?.body).toEqual({
      type: 'keys.revoked',
      data: { issuer: ISSUER, revision: 7, kids: [kid] },
    })
  })

  it.each([
    ['lists it as revoked', { kids: [kid, other], revoked: [kid] }, true],
    ['does not know it', { kids: [other], revoked: [] }, true],
    ['still publishes it', { kids: [kid, other], revoked: [other] }, false],
  ])('judges one who %s', async (_what, facts, refuses) => {
    const [first] = await deny(async () => acknowledged(facts))
    expect(first?.refuses).toBe(refuses)
    expect(first?.detail).toMatch(refuses ? /^refuses it, told in \d+ ms$/ : `accepts ${kid}`)
  })

  it('takes nobody for an error: who does not answer is told of in words', async () => {
    const [first] = await deny(() => Promise.reject(new Error('gone')))
    expect(first).toMatchObject({ refuses: false, detail: 'it cannot be reached: gone' })
  })
})
