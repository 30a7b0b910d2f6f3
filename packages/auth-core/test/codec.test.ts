import { exportPKCS8, importJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  currentKey,
  formatKeyring,
  generateFreshKey,
  type Keyring,
  nextKey,
  parseKeyring,
  publishJwks,
  type StoredKeyring,
  statusOf,
} from '../src/signing.ts'
import { codeOf, NOW, sampleKeyring } from './fixtures.ts'

function store(keyring: Keyring, revoked: Record<string, string> = {}): StoredKeyring {
  return { secrets: formatKeyring(keyring), revision: keyring.revision, revoked }
}

/** The sample keyring as stored, with its public set changed as a hand edit would. */
async function edited(change: (keys: Record<string, unknown>[]) => unknown[]) {
  const sample = await sampleKeyring()
  const stored = store(sample.keyring)
  const { keys } = JSON.parse(stored.secrets.public_jwks ?? '')
  const public_jwks = JSON.stringify({ keys: change(keys) })
  return { ...sample, stored: { ...stored, secrets: { ...stored.secrets, public_jwks } } }
}

async function messageOf(stored: StoredKeyring, now = NOW): Promise<string> {
  return await parseKeyring(stored, now).then(
    () => 'accepted',
    (error: Error) => error.message,
  )
}

describe('parseKeyring', () => {
  it('reads what formatKeyring wrote, without a note', async () => {
    const { keyring } = await sampleKeyring()
    const read = await parseKeyring(store(keyring), NOW)
    expect(read).toEqual({ keyring, notes: [] })
  })

  it('reads private keys as PKCS#8 PEM', async () => {
    const { keyring, current } = await sampleKeyring()
    const { kty, crv, x, d } = current.privateJwk as Record<string, string>
    const key = await importJWK({ kty, crv, x, d } as never, 'EdDSA', { extractable: true })
    const stored = store(keyring)
    const pem = `${await exportPKCS8(key as never)}\n`
    const read = await parseKeyring(
      { ...stored, secrets: { ...stored.secrets, current_private_key: pem } },
      NOW,
    )
    expect(read.keyring).toEqual(keyring)
  })

  it('fills in missing times from the slots, and reports each', async () => {
    const { stored, current, next } = await edited((keys) =>
      keys.map(({ iat: _iat, nbf: _nbf, ...rest }) => rest),
    )
    const { keyring, notes } = await parseKeyring(stored, NOW)
    expect(currentKey(keyring)?.kid).toBe(current.kid)
    expect(nextKey(keyring)?.kid).toBe(next.kid)
    expect(currentKey(keyring)?.jwk.nbf).toBe(NOW)
    expect(notes).toHaveLength(3)
    expect(notes.join()).toContain(`iat of ${next.kid}`)
  })

  it('leaves out a key of a kind it does not know, and reports it', async () => {
    const { stored } = await edited((keys) => [...keys, { kty: 'FUTURE', kid: 'f' }])
    const { keyring, notes } = await parseKeyring(stored, NOW)
    expect(keyring.keys).toHaveLength(2)
    expect(notes).toEqual([
      'public_jwks: key "f" was left out: the key type is not one of the allowed algorithms',
    ])
  })

  it('refuses two current keys, and two next keys', async () => {
    const two = await edited((keys) => keys.map((key) => ({ ...key, nbf: NOW - 5 })))
    expect(await messageOf(two.stored)).toBe('exactly one key is current')
    const third = (await generateFreshKey('EdDSA', NOW)).jwk
    const next = await edited((keys) => [...keys, third])
    expect(await messageOf(next.stored)).toBe('at most one key is next')
  })

  it('refuses a kid that is not the thumbprint of its key', async () => {
    const { stored } = await edited(([first, ...rest]) => [{ ...first, kid: 'mine' }, ...rest])
    expect(await messageOf(stored)).toBe('every kid is the thumbprint of its key')
  })

  it('refuses a private member in the public set', async () => {
    const { stored } = await edited(([first, ...rest]) => [{ ...first, d: 'AA' }, ...rest])
    expect(await messageOf(stored)).toBe(
      'public_jwks: a JWKS holds no private and no symmetric key',
    )
  })

  it('refuses a private key that does not match its public half', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const stored = store(keyring)
    const mixed = JSON.stringify({ ...current.privateJwk, d: next.privateJwk?.d })
    const secrets = { ...stored.secrets, current_private_key: mixed }
    expect(await messageOf({ ...stored, secrets })).toBe('every private key matches its public one')
  })

  it('refuses a slot whose key is not published, and a published key without its private half', async () => {
    const { keyring } = await sampleKeyring()
    const stored = store(keyring)
    const stranger = JSON.stringify((await generateFreshKey('EdDSA', NOW)).privateJwk)
    const swapped = { ...stored.secrets, next_private_key: stranger }
    expect(await messageOf({ ...stored, secrets: swapped })).toBe(
      'the key in next_private_key is in public_jwks',
    )
    const missing = { ...stored.secrets, current_private_key: '{}' }
    expect(await messageOf({ ...stored, secrets: missing })).toBe(
      'the private half of the current key is there',
    )
  })

  it.each([
    ['public_jwks', 'not json', 'public_jwks is a JSON object without duplicate names'],
    [
      'public_jwks',
      '{"keys":[],"keys":[]}',
      'public_jwks is a JSON object without duplicate names',
    ],
    ['public_jwks', '{"keys":[]}', 'public_jwks: a JWKS has at least one usable key'],
    ['current_private_key', '{"kty":', 'current_private_key is a private JWK or PKCS#8 PEM'],
    ['next_private_key', '{"kty":"EC"}', 'next_private_key is a key of an allowed algorithm'],
    [
      'current_private_key',
      '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
      'current_private_key is PKCS#8 PEM of an allowed algorithm',
    ],
  ])('refuses %s that reads %s', async (name, value, message) => {
    const { keyring } = await sampleKeyring()
    const stored = store(keyring)
    expect(await messageOf({ ...stored, secrets: { ...stored.secrets, [name]: value } })).toBe(
      message,
    )
  })

  it('attack 77: refuses a revision of the future', async () => {
    const { keyring } = await sampleKeyring()
    const at = (ms: number) => ({ ...store(keyring), revision: NOW * 1000 + ms })
    expect(await messageOf(at(300_000))).toBe('accepted')
    expect(await messageOf(at(300_001))).toContain('5 minutes ahead')
  })

  it('counts a revoked kid as revoked wherever it still stands', async () => {
    const { keyring, next } = await sampleKeyring()
    const revoked = { [next.kid]: JSON.stringify({ at: NOW, reason: 'leaked' }) }
    const read = await parseKeyring(store(keyring, revoked), NOW)
    expect(statusOf(read.keyring, next.kid)).toBe('revoked')
    expect(publishJwks(read.keyring).keys.map(({ kid }) => kid)).not.toContain(next.kid)
    expect(publishJwks(read.keyring).revoked).toEqual([next.kid])
  })

  it('lets next sign where the current key is revoked', async () => {
    const { keyring, current, next } = await sampleKeyring()
    const read = await parseKeyring(store(keyring, { [current.kid]: 'by hand' }), NOW)
    expect(currentKey(read.keyring)?.kid).toBe(next.kid)
    expect(read.keyring.revocations).toEqual([{ kid: current.kid, at: 0, reason: 'not given' }])
    expect(read.notes.join()).toContain(next.kid)
  })

  it('never puts key material into an error', async () => {
    const { keyring, current } = await sampleKeyring()
    const stored = store(keyring)
    const secret = String(current.privateJwk?.d)
    const broken = { ...stored.secrets, current_private_key: `{"kty":"OKP","d":"${secret}"` }
    const error = await parseKeyring({ ...stored, secrets: broken }, NOW).catch((e: unknown) => e)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(secret)
    expect(await codeOf(() => parseKeyring({ ...stored, secrets: broken }, NOW))).toBe(
      'keyring_invalid',
    )
  })
})

describe('publishJwks', () => {
  it('attack 45: holds no private member and the signing kid, in every form that is read', async () => {
    const { keyring, current } = await sampleKeyring()
    const document = JSON.stringify(publishJwks(keyring))
    expect(document).not.toContain('"d"')
    expect(document).toContain(current.kid)
  })
})
