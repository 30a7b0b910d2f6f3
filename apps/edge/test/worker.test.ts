import { exports } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { freshWorld, newKey, origin } from './support.ts'

const key = await newKey()

beforeEach(freshWorld)

describe('the Worker as it is deployed', () => {
  it('verifies a token through its own hub and snapshot, and says whose it is', async () => {
    await origin.publish([key], 1_000)
    const response = await exports.default.fetch('https://edge.test/api/reports', {
      headers: { authorization: `Bearer ${await key.token()}` },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toMatchObject({
      sub: 'client:reports',
      client_id: 'reports',
      scope: 'reports:read',
      aud: 'https://api.test',
      kid: key.kid,
    })
  })
})
