import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startWorld, type World } from '@keyturn/testkit'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let dataDir: string
let world: World
let client: { readonly id: string; readonly secret: string }

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'keyturn-e2e-'))
  world = await startWorld({ dataDir, policy: {} })
  const { stdout } = await world.keyturn([
    'clients',
    'create',
    '--name',
    's',
    '--scope',
    'reports:read',
    '--audience',
    world.audience,
    '--json',
  ])
  const { client_id: id, client_secret: secret } = JSON.parse(stdout)
  client = { id, secret }
})

afterAll(async () => {
  await world?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** What a third party does with a token: the public keys of the edge, and a library of its own. */
async function verifyAsStranger(token: string, jwksUri: string) {
  return await jwtVerify(token, createRemoteJWKSet(new URL(jwksUri)), {
    issuer: world.urls.issuer,
    audience: world.audience,
    typ: 'at+jwt',
    requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
  })
}

describe('clients that nobody here wrote', () => {
  it.each([
    ['client_secret_basic', openid.ClientSecretBasic],
    ['client_secret_post', openid.ClientSecretPost],
  ])(
    'openid-client discovers the issuer and gets a token with %s',
    async (_name, authentication) => {
      const config = await openid.discovery(
        new URL(world.urls.issuer),
        client.id,
        undefined,
        authentication(client.secret),
        { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' },
      )
      const metadata = config.serverMetadata()
      expect(metadata.jwks_uri).toBe(`${world.urls.edge}/.well-known/jwks.json`)
      const { access_token } = await openid.clientCredentialsGrant(config, {
        scope: 'reports:read',
      })
      const { payload } = await verifyAsStranger(access_token, String(metadata.jwks_uri))
      expect(payload.sub).toBe(`client:${client.id}`)
    },
  )

  it('oauth4webapi processes discovery, the grant, and the token as RFC 9068 says', async () => {
    const issuer = new URL(world.urls.issuer)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
    )
    const me: oauth.Client = { client_id: client.id }
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      me,
      oauth.ClientSecretBasic(client.secret),
      new URLSearchParams({ scope: 'reports:read' }),
      insecure,
    )
    const { access_token } = await oauth.processClientCredentialsResponse(server, me, answer)
    const request = new Request('http://127.0.0.1/resource', {
      headers: { authorization: `Bearer ${access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(server, request, world.audience, insecure)
    expect(claims.client_id).toBe(client.id)
  })
})
