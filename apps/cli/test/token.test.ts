import { createSigner, currentKey, signAccessToken } from '@keyturn/auth-core/signing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Holder, type Received, startHolder } from './doubles.ts'
import { initialise, runKeyturn, startWorld, type World } from './world.ts'

const SECRET = 'a secret:with reserved/characters+%'

let world: World
let issuer: Holder
let received: Received[]
let metadata: Record<string, unknown>
let tokenAnswer: object

beforeAll(async () => {
  world = await startWorld()
  issuer = await startHolder({
    name: 'issuer',
    store: world.store,
    pingPublicKeys: await initialise(world),
    other: (request) => {
      received.push(request)
      if (request.path === '/.well-known/oauth-authorization-server') return metadata
      return request.path === '/oauth/token' ? tokenAnswer : undefined
    },
  })
})
afterAll(async () => {
  await issuer.close()
  await world.stop()
})
beforeEach(() => {
  received = []
  metadata = { issuer: issuer.url, token_endpoint: `${issuer.url}/oauth/token` }
  tokenAnswer = { access_token: 'x.y.z', token_type: 'Bearer', expires_in: 600, scope: 'a b' }
})

const keyturn = (args: readonly string[], stdin = '', env: Record<string, string> = {}) =>
  runKeyturn(args, { stdin, env: { KEYTURN_ISSUER: issuer.url, ...env }, cwd: world.folder })

async function mintLocally(claims: Record<string, unknown> = {}): Promise<string> {
  const { keyring } = await world.store.read()
  const current = currentKey(keyring)
  if (!current?.privateJwk) throw new Error('a current key is there')
  const now = Math.floor(Date.now() / 1000)
  return await signAccessToken(await createSigner(current.privateJwk, current.jwk), {
    iss: issuer.url,
    sub: 'client:reports',
    aud: 'https://api.example',
    iat: now,
    exp: now + 60,
    jti: '1',
    client_id: 'reports',
    ...claims,
  })
}

describe('token mint', () => {
  it('prints the token and nothing else, with the secret from standard input', async () => {
    const args = ['token', 'mint', '--client-id', 'reports/1', '--scope', 'a', '--scope', 'b']
    const { code, stdout, stderr } = await keyturn(args, `${SECRET}\n`)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'x.y.z\n', stderr: '' })
    const request = received.at(-1)
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      grant_type: 'client_credentials',
      scope: 'a b',
    })
    const [id, secret] = Buffer.from(request?.headers.authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':')
      .map((part) => new URLSearchParams(`v=${part}`).get('v'))
    expect([id, secret]).toEqual(['reports/1', SECRET])
  })

  it('prints the whole answer with --json, and asks for every audience', async () => {
    const { stdout } = await keyturn(
      [
        'token',
        'mint',
        '--json',
        '--audience',
        'https://a.example',
        '--audience',
        'https://b.example',
      ],
      '',
      { KEYTURN_CLIENT_ID: 'reports', KEYTURN_CLIENT_SECRET: SECRET },
    )
    expect(JSON.parse(stdout)).toEqual(tokenAnswer)
    expect(new URLSearchParams(received.at(-1)?.body).getAll('audience')).toEqual([
      'https://a.example',
      'https://b.example',
    ])
  })

  it("sends no secret where the metadata is another issuer's", async () => {
    metadata = { issuer: 'https://evil.example', token_endpoint: `${issuer.url}/oauth/token` }
    const { code, stderr } = await keyturn(['token', 'mint', '--client-id', 'reports'], SECRET)
    expect(code).toBe(3)
    expect(stderr).toContain('the metadata is that of another issuer')
    expect(received.map(({ path }) => path)).toEqual(['/.well-known/oauth-authorization-server'])
  })

  it('takes no secret as an argument, and says where it comes from', async () => {
    const asArgument = await keyturn(['token', 'mint', '--client-secret', SECRET])
    expect(asArgument.code).toBe(2)
    const none = await keyturn(['token', 'mint', '--client-id', 'reports'])
    expect(none.code).toBe(2)
    expect(none.stderr).toContain('set KEYTURN_CLIENT_SECRET, or send the secret to standard input')
  })
})

describe('token inspect', () => {
  it('verifies a token under the keys of the issuer', async () => {
    const { code, stdout } = await keyturn(['token', 'inspect'], await mintLocally())
    expect(code).toBe(0)
    expect(stdout).toContain('"client_id": "reports"')
    expect(stdout).toMatch(/^exp {2}\d{4}-\d\d-\d\dT.*\(in (\d+ s|1 min)\)$/m)
    expect(stdout).toContain('valid: signature, issuer and times hold')
  })

  it('refuses a tampered, an ended and a misdirected token, and shows them all the same', async () => {
    const good = await mintLocally()
    const [header, , signature] = good.split('.')
    const claims = Buffer.from(JSON.stringify({ sub: 'admin' })).toString('base64url')
    const past = Math.floor(Date.now() / 1000) - 3_600
    for (const [token, word, ...more] of [
      [`${header}.${claims}.${signature}`, 'signature_invalid'],
      [await mintLocally({ iat: past, exp: past + 60 }), 'token_expired'],
      [good, 'aud_mismatch', '--audience', 'https://other.example'],
    ] as const) {
      const { code, stdout } = await keyturn(['token', 'inspect', ...more], token)
      expect({ word, code }).toEqual({ word, code: 3 })
      expect(stdout).toContain(`refused: ${word}`)
      expect(stdout).toMatch(/^claims \{$/m)
    }
  })

  it('judges the times with the clock tolerance of the policy', async () => {
    const now = Math.floor(Date.now() / 1000)
    const ended = await mintLocally({ iat: now - 60, exp: now - 20 })
    const strict = { KEYTURN_POLICY: '{"clockTolerance":5}' }
    expect((await keyturn(['token', 'inspect'], ended)).code).toBe(0)
    expect((await keyturn(['token', 'inspect'], ended, strict)).code).toBe(3)
  })

  it('says that nothing is proven where no issuer is known', async () => {
    const { code, stdout } = await keyturn(['token', 'inspect', '--json'], await mintLocally(), {
      KEYTURN_ISSUER: '',
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      header: { typ: 'at+jwt' },
      verdict: { valid: null },
    })
  })

  it('shows the token and ends with 4 where the issuer cannot be reached', async () => {
    const { code, stdout } = await keyturn(['token', 'inspect'], await mintLocally(), {
      KEYTURN_ISSUER: 'http://127.0.0.1:9',
    })
    expect(code).toBe(4)
    expect(stdout).toContain('decoded, not verified')
  })

  it.each(['', 'nonsense', 'a.b.c'])('refuses what is no token: %j', async (text) => {
    const { code, stdout, stderr } = await keyturn(['token', 'inspect'], text)
    expect(code).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^error: /)
  })
})
