import { createSigner, definePolicy } from '@keyturn/auth-core/signing'
import { describe, expect, it } from 'vitest'
import { createMint } from '../src/grants/mint.ts'
import { createFakeClock, ISSUER, makeKeyring, T0 } from './world.ts'

const granted = {
  clientId: 'orders',
  subject: 'client:orders',
  audiences: ['https://api.example'],
  scopes: [],
}

/** A mint whose key ends at `exp`. */
async function mintUnder(exp: number) {
  const { current } = await makeKeyring()
  if (!current.privateJwk) throw new Error('a fresh key has a private half')
  const signer = await createSigner(current.privateJwk, { ...current.jwk, exp })
  const deps = { issuer: ISSUER, policy: definePolicy(), clock: createFakeClock() }
  return createMint({ ...deps, signer: () => signer })
}

describe('minting', () => {
  it.each([
    [599, false],
    [600, true],
    [601, true],
  ])('under a key that ends %i seconds from now: %s', async (left, minted) => {
    const mint = await mintUnder(T0 + left)
    const outcome = await mint(granted).then(
      () => true,
      (error: unknown) => error,
    )
    if (minted) expect(outcome).toBe(true)
    else expect(outcome).toMatchObject({ name: 'TokenRefusal', reason: 'key_ends_first' })
  })

  it('is refused without a current key', async () => {
    const deps = { issuer: ISSUER, policy: definePolicy(), clock: createFakeClock() }
    const mint = createMint({ ...deps, signer: () => undefined })
    await expect(mint(granted)).rejects.toMatchObject({ reason: 'no_current_key' })
  })
})
