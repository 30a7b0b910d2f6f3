import {
  createVerifiedCache,
  defineExpected,
  importKeySet,
  parseJwks,
  verifyToken,
} from '@keyturn/auth-core'
import { createSigner, generateFreshKey, signAccessToken } from '@keyturn/auth-core/signing'
import { createSigner as createFastSigner, createVerifier as createFastVerifier } from 'fast-jwt'
import { verify as honoVerify } from 'hono/jwt'
import { createLocalJWKSet, exportPKCS8, exportSPKI, importJWK, jwtVerify, SignJWT } from 'jose'
import { measure, printTable } from './measure.ts'

const now = Math.floor(Date.now() / 1000)
const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const claims = {
  iss: issuer,
  sub: 'client:reports',
  aud: audience,
  exp: now + 3600,
  iat: now,
  jti: 'b1b2b3b4b5b6b7b8',
  client_id: 'reports',
  scope: 'reports:read reports:write',
}
/** Enough different tokens that none is seen twice in a round, as in traffic. */
const FRESH_TOKENS = 400

const fresh = await generateFreshKey('EdDSA', now)
if (!fresh.privateJwk) throw new TypeError('a fresh key has a private half')
const signer = await createSigner(fresh.privateJwk, fresh.jwk)
const tokens = await Promise.all(
  Array.from({ length: FRESH_TOKENS }, (_, index) =>
    signAccessToken(signer, { ...claims, jti: `${claims.jti}-${index}` }),
  ),
)
const [token = ''] = tokens

const jwks = parseJwks({ keys: [fresh.jwk] })
const { keys } = await importKeySet(jwks)
const key = keys.get(fresh.kid)
if (!key) throw new TypeError('the key is in the set')
const resolveKey = () => key
const expected = defineExpected({ issuer, audience })
const { kty, crv, x } = fresh.jwk as Record<string, string>
const { d } = fresh.privateJwk as Record<string, string>
const exportable = { kty, crv, x } as { kty: string; crv: string; x: string }
const spki = await exportSPKI(
  (await importJWK(exportable, 'EdDSA', { extractable: true })) as never,
)
const pkcs8 = await exportPKCS8(
  (await importJWK({ ...exportable, d: String(d) }, 'EdDSA', { extractable: true })) as never,
)
const localJwks = createLocalJWKSet({ keys: jwks.keys.map((jwk) => ({ ...jwk })) })
const joseOptions = { issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA'] }
const fastOptions = {
  key: spki,
  algorithms: ['EdDSA' as const],
  allowedIss: issuer,
  allowedAud: audience,
}
const fastFresh = createFastVerifier({ ...fastOptions, cache: false })
const fastCached = createFastVerifier({ ...fastOptions, cache: 10_000 })

/** The next token that this contender has not seen lately. */
function rotating(use: (token: string) => unknown): () => unknown {
  let turn = 0
  return () => use(tokens[turn++ % FRESH_TOKENS] ?? token)
}

const inputs = tokens.map((text) => ({
  signature: Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url'),
  input: new TextEncoder().encode(text.slice(0, text.lastIndexOf('.'))),
}))
let turn = 0

printTable(
  'Verify an EdDSA token at first sight',
  await measure([
    {
      name: 'WebCrypto verify alone',
      run: () => {
        const { signature, input } = inputs[turn++ % FRESH_TOKENS] ?? { signature: '', input: '' }
        return crypto.subtle.verify('Ed25519', key.cryptoKey, signature as never, input as never)
      },
    },
    { name: 'keyturn', run: rotating((text) => verifyToken(text, { resolveKey, expected, now })) },
    {
      name: 'keyturn, with a cache that never saw the token',
      run: (() => {
        // Room for one entry: every token is new to it, as to a cache that is filling.
        const cache = createVerifiedCache({ maxEntries: 1 })
        return rotating((text) => verifyToken(text, { resolveKey, expected, now, cache }))
      })(),
    },
    {
      name: 'jose, with a key',
      run: rotating((text) => jwtVerify(text, key.cryptoKey, joseOptions)),
    },
    {
      name: 'jose, with a local JWKS',
      run: rotating((text) => jwtVerify(text, localJwks, joseOptions)),
    },
    {
      name: 'hono/jwt',
      run: rotating((text) =>
        honoVerify(text, key.cryptoKey, {
          alg: 'EdDSA',
          typ: 'at+jwt',
          iss: issuer,
          aud: audience,
        }),
      ),
    },
    { name: 'fast-jwt, without its cache', run: rotating((text) => fastFresh(text)) },
  ]),
)

const cache = createVerifiedCache()
printTable(
  'Verify an EdDSA token that was seen before',
  await measure(
    [
      {
        name: 'keyturn',
        run: rotating((text) => verifyToken(text, { resolveKey, expected, now, cache })),
      },
      { name: 'fast-jwt, with its cache', run: rotating((text) => fastCached(text)) },
    ],
    { perRound: 2_000 },
  ),
)

const fastSign = createFastSigner({ key: pkcs8, algorithm: 'EdDSA' })
printTable(
  'Sign an EdDSA token',
  await measure([
    {
      name: 'WebCrypto sign alone',
      run: () => crypto.subtle.sign('Ed25519', signer.cryptoKey, inputs[0]?.input as never),
    },
    { name: 'keyturn', run: () => signAccessToken(signer, claims) },
    {
      name: 'jose SignJWT',
      run: () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' })
          .sign(signer.cryptoKey),
    },
    { name: 'fast-jwt', run: () => fastSign(claims) },
  ]),
)
