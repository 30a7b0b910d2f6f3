import { AuthError } from '@keyturn/auth-core'
import { describe, expect, it } from 'vitest'
import { missingToken, refusal } from '../src/wire-errors.ts'

describe('what the outside gets to know', () => {
  it('is the same for every way in which a token can be wrong', async () => {
    const codes = [
      'token_too_large',
      'token_malformed',
      'header_invalid',
      'typ_mismatch',
      'key_unknown',
      'key_revoked',
      'key_expired',
      'alg_mismatch',
      'signature_invalid',
      'claims_invalid',
      'iss_mismatch',
      'aud_mismatch',
      'token_expired',
      'token_not_yet_valid',
    ] as const
    const seen = await Promise.all(
      codes.map(async (code) => {
        const response = refusal(new AuthError(code, 'why', { kid: 'k' }))
        return [response.status, [...response.headers], await response.text()]
      }),
    )
    expect(new Set(seen.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(seen[0]?.[0]).toBe(401)
  })

  it('is 503, with the time to come back, while the keys cannot decide', async () => {
    const details = { retryAfter: 7, cause: new Error('inside') }
    const gone = refusal(new AuthError('keys_unavailable', 'why', details))
    expect([gone.status, gone.headers.get('retry-after')]).toEqual([503, '7'])
    const open = refusal(new AuthError('key_undecided', 'why'))
    expect([open.status, open.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await open.text()).toBe('{"error":"temporarily_unavailable"}')
    expect(open.headers.has('www-authenticate')).toBe(false)
  })

  it('is never cached', () => {
    for (const response of [missingToken(), refusal(new AuthError('jwks_invalid', 'why'))]) {
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  it('names nothing of the inside where that is at fault', async () => {
    const response = refusal(new AuthError('jwks_invalid', 'a private key', { kid: 'k' }))
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('{"error":"server_error"}')
  })
})
