import { apply, definePolicy, generateFreshKey, type Keyring } from '@keyturn/auth-core/signing'
import { describe, expect, it } from 'vitest'
import type { HeldKeys } from '../src/keys/held-keys.ts'
import { createKeyHolder } from '../src/keys/holder.ts'
import type { KeyringRead } from '../src/keys/keyring-reader.ts'
import { createFakeClock, makeKeyring, makePingKey, T0 } from './world.ts'

const policy = definePolicy()

function start() {
  const clock = createFakeClock()
  return { clock, holder: createKeyHolder({ policy, clock }) }
}

const readOf = (keyring: Keyring, rest: Partial<KeyringRead> = {}): KeyringRead => ({
  keyring,
  notes: [],
  ...rest,
})
const at = (readAtMs: number) => ({ readAtMs })
const revoked = (kid: string, at = T0) => ({ kid, at, reason: 'lost' })

/** What every state must keep: no private member, no duplicate, and the signing kid among them. */
function checkPublished({ body, signer, jwks }: HeldKeys) {
  for (const key of JSON.parse(body).keys) {
    expect(Object.keys(key).sort()).toEqual(
      expect.arrayContaining(['alg', 'crv', 'kid', 'kty', 'use', 'x']),
    )
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth', 'priv']) {
      expect(key).not.toHaveProperty(member)
    }
  }
  const kids = jwks.keys.map(({ kid }) => kid)
  expect(new Set(kids).size).toBe(kids.length)
  if (signer) expect(kids).toContain(signer.jwk.kid)
  const signing = jwks.keys.filter(({ nbf, exp }) => nbf !== undefined && exp === undefined)
  expect(signing.map(({ kid }) => kid)).toEqual(signer ? [signer.jwk.kid] : [])
}

describe('the holder of the keyring', () => {
  it('holds nothing before the first read', () => {
    expect(start().holder.held()).toBeUndefined()
  })

  it('signs with the current key and publishes the next one beside it', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    expect(await holder.accept(readOf(keyring), at(T0 * 1000))).toBe('changed')
    const held = holder.held()
    expect(held?.signer?.jwk.kid).toBe(keyring.current.kid)
    expect(held?.jwks.keys.map(({ kid }) => kid).sort()).toEqual(
      [keyring.current.kid, keyring.next.kid].sort(),
    )
  })

  it('publishes no private member and exactly one signing kid in every state of a rotation', async () => {
    const { holder } = start()
    let keyring: Keyring = await makeKeyring()
    let now = T0
    const step = async (verb: 'flip' | 'retire' | 'restore' | 'revoke') => {
      now += verb === 'retire' ? policy.overlapWindow : 100
      const fresh = await generateFreshKey('EdDSA', now)
      const previous = keyring.keys.find(({ jwk }) => jwk.exp !== undefined)?.kid ?? ''
      const current = holder.held()?.signer?.jwk.kid ?? ''
      const steps = {
        flip: { verb: 'flip', fresh },
        retire: { verb: 'retire', kid: previous },
        restore: { verb: 'restore' },
        revoke: { verb: 'revoke', revocations: [revoked(current, now)], fresh: [fresh] },
      } as const
      keyring = { ...apply(keyring, steps[verb], { policy, now }), revision: now * 1000 }
      expect(await holder.accept(readOf(keyring), at(now * 1000))).toBe('changed')
      const held = holder.held()
      if (!held) throw new Error('a keyring is held')
      checkPublished(held)
      return held
    }
    await holder.accept(readOf(keyring), at(now * 1000))
    const first = holder.held()?.signer?.jwk.kid
    expect((await step('flip')).signer?.jwk.kid).not.toBe(first)
    expect((await step('restore')).signer?.jwk.kid).toBe(first)
    await step('revoke')
    await step('flip')
    await step('retire')
  })

  it('says whether a read changed anything, and since when the keys are held', async () => {
    const { holder, clock } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    clock.set(T0 + 100)
    expect(await holder.accept(readOf(keyring), at((T0 + 100) * 1000))).toBe('unchanged')
    expect(holder.held()).toMatchObject({
      sinceMs: T0 * 1000,
      readAtMs: (T0 + 100) * 1000,
    })
    const fresh = await generateFreshKey('EdDSA', T0 + 100)
    const flipped = apply(keyring, { verb: 'flip', fresh }, { policy, now: T0 + 100 })
    const read = readOf({ ...flipped, revision: (T0 + 100) * 1000 })
    expect(await holder.accept(read, at((T0 + 100) * 1000))).toBe('changed')
    expect(holder.held()?.sinceMs).toBe((T0 + 100) * 1000)
  })

  it('never goes back to a lower revision, but what that one revokes counts', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    const older: Keyring = {
      ...(await makeKeyring(keyring.revision - 1)),
      revocations: [revoked(keyring.current.kid)],
    }
    expect(await holder.accept(readOf(older), at((T0 + 60) * 1000))).toBe('went_back')
    const held = holder.held()
    expect(held?.keyring.revision).toBe(keyring.revision)
    expect(held?.signer?.jwk.kid).toBe(keyring.next.kid)
    expect(held?.readAtMs).toBe(T0 * 1000)
    expect(held?.jwks.revoked).toEqual([keyring.current.kid])
  })

  it('goes back to exactly the revision that a signed reset names', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf({ ...keyring, revocations: [revoked('an-old-kid')] }), at(T0 * 1000))
    const older = readOf(await makeKeyring(keyring.revision - 5000))
    const options = { readAtMs: T0 * 1000 }
    const other = { ...options, resetTo: keyring.revision - 4999 }
    expect(await holder.accept(older, other)).toBe('went_back')
    const named = { ...options, resetTo: keyring.revision - 5000 }
    expect(await holder.accept(older, named)).toBe('changed')
    expect(holder.held()?.keyring.revision).toBe(keyring.revision - 5000)
    expect(holder.held()?.jwks.revoked).toEqual([])
  })

  it('keeps a kid revoked when a later document forgets it', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    const first = { ...keyring, revocations: [revoked(keyring.current.kid)] }
    await holder.accept(readOf(first), at(T0 * 1000))
    expect(holder.held()?.signer?.jwk.kid).toBe(keyring.next.kid)
    await holder.accept(
      readOf({ ...keyring, revision: keyring.revision + 1 }),
      at((T0 + 60) * 1000),
    )
    expect(holder.held()?.signer?.jwk.kid).toBe(keyring.next.kid)
    expect(holder.held()?.jwks.revoked).toEqual([keyring.current.kid])
  })

  it('publishes the same document at every read of one state, a promoted key included', async () => {
    const { holder, clock } = start()
    const keyring = await makeKeyring()
    const read = readOf({ ...keyring, revocations: [revoked(keyring.current.kid, T0 - 5)] })
    await holder.accept(read, at(T0 * 1000))
    const { body, etag } = holder.held() ?? {}
    clock.set(T0 + 500)
    expect(await holder.accept(read, at((T0 + 500) * 1000))).toBe('unchanged')
    expect(holder.held()).toMatchObject({ body, etag })
  })

  it('signs nothing more when every key is revoked', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    await holder.revoke([revoked(keyring.current.kid), revoked(keyring.next.kid)])
    expect(holder.held()?.signer).toBeUndefined()
    expect(holder.held()?.jwks.keys).toEqual([])
  })

  it('lets an announced revocation count at once, and lapse when a later revision forgets it', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    await holder.announce([revoked(keyring.current.kid)], keyring.revision)
    expect(holder.held()?.signer?.jwk.kid).toBe(keyring.next.kid)
    await holder.accept(readOf(keyring), at((T0 + 1) * 1000))
    expect(holder.held()?.signer?.jwk.kid).toBe(keyring.next.kid)
    await holder.accept(readOf({ ...keyring, revision: keyring.revision + 1 }), at((T0 + 2) * 1000))
    expect(holder.held()?.signer?.jwk.kid).toBe(keyring.current.kid)
  })

  it('keeps an announced revocation that a later revision confirms', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    await holder.announce([revoked(keyring.current.kid)], keyring.revision)
    const confirmed = {
      ...keyring,
      revision: keyring.revision + 1,
      revocations: [revoked(keyring.current.kid, T0 + 2)],
    }
    await holder.accept(readOf(confirmed), at((T0 + 2) * 1000))
    await holder.accept(readOf({ ...keyring, revision: keyring.revision + 2 }), at((T0 + 3) * 1000))
    expect(holder.held()?.jwks.revoked).toEqual([keyring.current.kid])
  })

  it('ignores an announced kid that it does not hold', async () => {
    const { holder } = start()
    await holder.accept(readOf(await makeKeyring()), at(T0 * 1000))
    await holder.announce([revoked('unknown')], T0 * 1000)
    expect(holder.held()?.jwks.revoked).toEqual([])
  })

  it('keeps what it holds where the new current key does not sign what its public half verifies', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    const other = await makeKeyring(keyring.revision + 1)
    const { privateJwk } = keyring.next
    if (!privateJwk) throw new Error('a fresh key has a private half')
    const mixed: Keyring = {
      ...other,
      keys: other.keys.map((key) => (key.kid === other.current.kid ? { ...key, privateJwk } : key)),
    }
    await expect(holder.accept(readOf(mixed), at(T0 * 1000))).rejects.toMatchObject({
      code: 'jwk_invalid',
    })
    expect(holder.held()?.keyring.revision).toBe(keyring.revision)
    expect(await holder.accept(readOf(keyring), at(T0 * 1000))).toBe('unchanged')
  })

  it('loses no revocation that arrives while a read is being taken', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    await holder.accept(readOf(keyring), at(T0 * 1000))
    const at1 = readOf({ ...keyring, revision: keyring.revision + 1 })
    const at2 = readOf({ ...keyring, revision: keyring.revision + 2 })
    await Promise.all([
      holder.accept(at1, at(T0 * 1000)),
      holder.revoke([revoked(keyring.current.kid)]),
    ])
    expect(holder.held()?.jwks.revoked).toEqual([keyring.current.kid])
    await holder.accept(at2, at(T0 * 1000))
    expect(holder.held()?.jwks.revoked).toEqual([keyring.current.kid])
  })

  it('keeps edges and ping key of the last read that had them', async () => {
    const { holder } = start()
    const keyring = await makeKeyring()
    const edges = [{ name: 'e', url: 'https://edge.example' }]
    const propagation = { edges, pingKey: await makePingKey(), webhookSecrets: ['s'] }
    await holder.accept(readOf(keyring, { propagation }), at(T0 * 1000))
    await holder.accept(readOf({ ...keyring, revision: keyring.revision + 1 }), at((T0 + 1) * 1000))
    expect(holder.held()?.ping).toMatchObject({ edges, webhookSecrets: ['s'] })
    expect(holder.held()?.ping.verifyKeys).toHaveLength(1)
  })
})
