import { defineExpected, importKeySet, parseJwks, verifyToken } from '@keyturn/auth-core'
import { createSigner, generateFreshKey, signAccessToken } from '@keyturn/auth-core/signing'
import { type CryptoKey, createLocalJWKSet, jwtVerify, SignJWT } from 'jose'
import { measure, printTable } from './measure.ts'

const now = Math.floor(Date.now() / 1000)
const issuer = 'https://issuer.example'
const audience = 'https://api.example'

const fresh = await generateFreshKey('EdDSA', now)
if (!fresh.privateJwk) throw new TypeError('a fresh key has a private half')
const signer = await createSigner(fresh.privateJwk, fresh.jwk)
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
const token = await signAccessToken(signer, claims)

const jwks = parseJwks({ keys: [fresh.jwk] })
const { keys } = await importKeySet(jwks)
const key = keys.get(fresh.kid)
if (!key) throw new TypeError('the key is in the set')
const localJwks = createLocalJWKSet({ keys: jwks.keys.map((jwk) => ({ ...jwk })) })
const expected = defineExpected({ issuer, audience })
const input = new TextEncoder().encode(token.slice(0, token.lastIndexOf('.')))
const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
const joseOptions = { issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA'] }

printTable(
  'Verify an EdDSA token that was never seen',
  await measure([
    {
      name: 'WebCrypto verify alone',
      run: () => crypto.subtle.verify('Ed25519', key.cryptoKey, signature, input),
    },
    { name: 'keyturn', run: () => verifyToken(token, { resolveKey: () => key, expected, now }) },
    { name: 'jose with a key', run: () => jwtVerify(token, key.cryptoKey, joseOptions) },
    { name: 'jose with a local JWKS', run: () => jwtVerify(token, localJwks, joseOptions) },
  ]),
)

const privateKey: CryptoKey = signer.cryptoKey
printTable(
  'Sign an EdDSA token',
  await measure([
    {
      name: 'WebCrypto sign alone',
      run: () => crypto.subtle.sign('Ed25519', privateKey, input),
    },
    { name: 'keyturn', run: () => signAccessToken(signer, claims) },
    {
      name: 'jose SignJWT',
      run: () =>
        new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' }).sign(privateKey),
    },
  ]),
)
