import { describe, expect, it } from 'vitest'
import {
  acknowledge,
  formatSnapshot,
  importKeySet,
  jwksDigest,
  type Ping,
  parseAcknowledgement,
  parseJwks,
  parsePingKeys,
  parseSnapshot,
  type ReceivedPing,
  type SignedPing,
  verifyPing,
} from '../src/index.ts'
import { createPingSigner, generateFreshKey } from '../src/signing.ts'
import { codeOf, ISSUER, NOW, publicJwk } from './fixtures.ts'

const privateJwk = async () => {
  const { privateJwk: jwk } = await generateFreshKey('EdDSA', NOW)
  if (!jwk) throw new TypeError('a fresh key has a private half')
  return jwk
}
const signer = await createPingSigner(await privateJwk())
const keys = await parsePingKeys(signer.publicKey)
const digest = await jwksDigest(parseJwks({ keys: [publicJwk] }))
const changed: Ping = {
  type: 'keys.changed',
  data: { issuer: ISSUER, revision: 7, jwks_sha256: digest },
}

function received({ headers, body }: SignedPing, change: Partial<ReceivedPing> = {}): ReceivedPing {
  return {
    id: headers['webhook-id'],
    timestamp: headers['webhook-timestamp'],
    signature: headers['webhook-signature'],
    body,
    ...change,
  }
}

function verdict(ping: ReceivedPing, now = NOW): Promise<unknown> {
  return codeOf(() => verifyPing(ping, { keys, issuer: ISSUER, now }))
}

describe('a ping', () => {
  it('arrives as it was sent, for each type', async () => {
    const pings: Ping[] = [
      changed,
      { type: 'keys.revoked', data: { issuer: ISSUER, revision: 7, kids: ['a', 'b'] } },
      { type: 'revision.reset', data: { issuer: ISSUER, revision: 3, jwks_sha256: digest } },
    ]
    for (const ping of pings) {
      const sent = await signer.sign(ping, NOW)
      const { id, ping: arrived } = await verifyPing(received(sent), {
        keys,
        issuer: ISSUER,
        now: NOW,
      })
      expect(arrived).toEqual(ping)
      expect(id).toBe(sent.headers['webhook-id'])
    }
  })

  it('attack 62: is refused with anything altered', async () => {
    const sent = await signer.sign(changed, NOW)
    const good = received(sent)
    expect(await verdict(good)).toBe('accepted')
    const other = received(await signer.sign(changed, NOW))
    const alterations: Partial<ReceivedPing>[] = [
      { body: `${sent.body} ` },
      { body: sent.body.replace('7', '8') },
      { id: other.id ?? null },
      { timestamp: String(NOW + 1) },
      { signature: other.signature ?? null },
      { signature: (good.signature ?? '').replace('v1a,', 'v1,') },
      { signature: 'v1a,' },
      { signature: `v1a,${btoa('x'.repeat(64))}` },
      { signature: null },
      { id: null },
      { id: 'msg.with.dots' },
      { id: '' },
      { timestamp: '1e9' },
      { timestamp: null },
    ]
    for (const change of alterations) {
      expect(await verdict(received(sent, change)), JSON.stringify(change)).toBe('ping_invalid')
    }
  })

  it('holds for exactly five minutes on both sides', async () => {
    const ping = received(await signer.sign(changed, NOW))
    expect(await verdict(ping, NOW + 300)).toBe('accepted')
    expect(await verdict(ping, NOW + 301)).toBe('ping_stale')
    expect(await verdict(ping, NOW - 300)).toBe('accepted')
    expect(await verdict(ping, NOW - 301)).toBe('ping_stale')
  })

  it('may bear several signatures while its key turns; one good one is enough', async () => {
    const [mine, theirs] = [await privateJwk(), await privateJwk()]
    const sent = await (await createPingSigner(theirs, mine)).sign(changed, NOW)
    const mineOnly = await parsePingKeys((await createPingSigner(mine)).publicKey)
    const { ping } = await verifyPing(received(sent), { keys: mineOnly, issuer: ISSUER, now: NOW })
    expect(ping).toEqual(changed)
    expect(sent.headers['webhook-signature'].split(' ')).toHaveLength(2)
  })

  it('attack 75: of a key that is not known is refused, whatever it says', async () => {
    const stranger = await createPingSigner(await privateJwk())
    expect(await verdict(received(await stranger.sign(changed, NOW)))).toBe('ping_invalid')
  })

  it('is refused where it speaks of another issuer, or of nothing known', async () => {
    const bodies: unknown[] = [
      { ...changed, data: { ...changed.data, issuer: 'https://evil.example' } },
      { ...changed, type: 'constructor' },
      { ...changed, type: '__proto__' },
      { ...changed, data: { ...changed.data, revision: '7' } },
      { ...changed, data: { ...changed.data, jwks_sha256: 'x' } },
      { type: 'keys.revoked', data: { issuer: ISSUER, revision: 1, kids: [] } },
      { type: 'keys.revoked', data: { issuer: ISSUER, revision: 1, kids: ['bad kid'] } },
    ]
    for (const body of bodies) {
      const sent = await signer.sign(body as Ping, NOW)
      expect(await verdict(received(sent)), JSON.stringify(body)).toBe('ping_invalid')
    }
  })

  it('is refused when it is huge, before anything else', async () => {
    const sent = await signer.sign(changed, NOW)
    expect(await verdict(received(sent, { body: 'x'.repeat(16_385) }))).toBe('ping_invalid')
  })
})

describe('parsePingKeys', () => {
  it('reads several keys, separated by space or comma', async () => {
    const other = await createPingSigner(await privateJwk())
    expect(await parsePingKeys(`${signer.publicKey}, ${other.publicKey}\n`)).toHaveLength(2)
    expect(await parsePingKeys('')).toHaveLength(0)
  })

  it('refuses what is no public key, a secret one above all', async () => {
    for (const text of ['whsk_AAAA', 'whpk_AAAA', 'x', `${signer.publicKey}=`]) {
      expect(await codeOf(() => parsePingKeys(text))).toBe('ping_invalid')
    }
  })
})

describe('an acknowledgement', () => {
  it('says which keys are held and for how long', async () => {
    const jwks = parseJwks({ keys: [publicJwk], revision: 7, revoked: ['gone'] })
    const acknowledgement = await acknowledge(jwks, 9)
    expect(acknowledgement).toEqual({
      revision: 7,
      jwks_sha256: digest,
      kids: [publicJwk.kid],
      revoked: ['gone'],
      age: 9,
    })
    expect(parseAcknowledgement(JSON.parse(JSON.stringify(acknowledgement)))).toEqual(
      acknowledgement,
    )
    const { age: _, ...without } = acknowledgement
    expect(parseAcknowledgement(without).age).toBe(0)
  })

  it('is refused where it is malformed', async () => {
    for (const value of [
      null,
      [],
      {},
      { revision: 1 },
      { revision: 'x', jwks_sha256: '', kids: [], revoked: [] },
    ]) {
      expect(await codeOf(() => parseAcknowledgement(value))).toBe('ping_invalid')
    }
  })
})

describe('a snapshot', () => {
  it('survives being written and read', async () => {
    const jwks = parseJwks({ keys: [publicJwk], revision: 7, revoked: ['gone'] })
    const held = {
      keySet: await importKeySet(jwks),
      asOfMs: 1,
      fetchedAtMs: 2,
      sinceMs: 3,
      epoch: 4,
    }
    const snapshot = parseSnapshot(JSON.parse(formatSnapshot(held)))
    expect(snapshot).toEqual({ jwks, fetchedAtMs: 2, sinceMs: 3, epoch: 4 })
  })

  it('is refused where a member is missing or no number', async () => {
    const good = { jwks: { keys: [publicJwk] }, fetched_at_ms: 1, since_ms: 1, epoch: 0 }
    expect(parseSnapshot(good).epoch).toBe(0)
    for (const name of Object.keys(good)) {
      expect(await codeOf(() => parseSnapshot({ ...good, [name]: 'x' }))).toBe('jwks_invalid')
    }
  })
})
