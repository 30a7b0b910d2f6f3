import { CompactSign, importJWK } from 'jose'
import { AuthError, importKeySet, parseJwks, type ResolveKey } from '../src/index.ts'
import { generateFreshKey, type Keyring, type KeyringKey } from '../src/signing.ts'

export const NOW = 1_800_000_000
export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'https://api.example'

/** RFC 8037 appendix A: the key and its thumbprint. */
export const RFC8037 = {
  private: {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  },
  public: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
} as const

export const publicJwk = { ...RFC8037.public, kid: RFC8037.kid, alg: 'EdDSA', use: 'sig' }

export const claims = {
  iss: ISSUER,
  sub: 'client:reports',
  aud: AUDIENCE,
  exp: NOW + 600,
  iat: NOW,
  jti: 'jti-1',
  client_id: 'reports',
  scope: 'reports:read reports:write',
}

export const header = { alg: 'EdDSA', kid: RFC8037.kid, typ: 'at+jwt' }

/** Signs any header and payload with the RFC 8037 key, as an attacker with that key could. */
export async function forge(
  payload: unknown = claims,
  protectedHeader: Record<string, unknown> = header,
): Promise<string> {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return await signRaw(JSON.stringify(protectedHeader), text)
}

/** Signs exactly these header and payload texts (or bytes). */
export async function signRaw(
  headerText: string | Uint8Array,
  payloadText: string | Uint8Array,
): Promise<string> {
  const key = await crypto.subtle.importKey('jwk', RFC8037.private, 'Ed25519', false, ['sign'])
  const input = `${base64url(headerText)}.${base64url(payloadText)}`
  const signature = await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(input))
  return `${input}.${base64url(new Uint8Array(signature))}`
}

export function base64url(input: string | Uint8Array): string {
  const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** An honest token of jose's own making. */
export async function joseToken(payload: object = claims): Promise<string> {
  return await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader(header)
    .sign(await importJWK(RFC8037.private, 'EdDSA'))
}

/** Resolves kids from one parsed document, as a source that is always fresh would. */
export async function resolverFor(document: unknown): Promise<ResolveKey> {
  const { keys } = await importKeySet(parseJwks(document))
  return (kid) => {
    const key = keys.get(kid)
    if (!key) throw new AuthError('key_unknown', 'the kid is in the key set')
    return key
  }
}

/** The code of the `AuthError` that `run` throws; the error itself where it is another one. */
export async function codeOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error instanceof AuthError ? error.code : error
  }
  return 'accepted'
}

/** A keyring with a current key that signs since `NOW - 1000` and a next key staged at `NOW - 500`. */
export async function sampleKeyring(): Promise<{
  readonly keyring: Keyring
  readonly current: KeyringKey
  readonly next: KeyringKey
}> {
  const fresh = await generateFreshKey('EdDSA', NOW - 2000)
  const current = { ...fresh, jwk: { ...fresh.jwk, nbf: NOW - 1000 } }
  const next = await generateFreshKey('EdDSA', NOW - 500)
  return {
    keyring: { keys: [current, next], revocations: [], revision: NOW * 1000 },
    current,
    next,
  }
}
