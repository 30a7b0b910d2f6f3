import { freePort } from '@keyturn/testkit'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Listener, listen } from '../src/listener.ts'
import { addClient, createWorld, SECRET, type World } from './world.ts'

/** A stranger's client in its strictest settings; plain HTTP is allowed because this is loopback. */
const insecure = { [oauth.allowInsecureRequests]: true }
const client = { client_id: 'orders' }

let world: World
let listener: Listener
let issuer: URL

beforeAll(async () => {
  const port = await freePort()
  issuer = new URL(`http://127.0.0.1:${port}`)
  const config = { issuer: issuer.origin, jwksUri: `${issuer.origin}/.well-known/jwks.json` }
  world = await createWorld({ config })
  world.clock.set(Math.floor(Date.now() / 1000))
  await addClient(world.storage)
  listener = await listen(world.app, { host: '127.0.0.1', port })
})
afterAll(async () => {
  await listener.close()
  await world.storage.close()
})

async function discover(algorithm: 'oauth2' | 'oidc') {
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
  return await oauth.processDiscoveryResponse(issuer, response)
}

describe('oauth4webapi', () => {
  it.each(['oauth2', 'oidc'] as const)('discovers the issuer by %s', async (algorithm) => {
    const server = await discover(algorithm)
    expect(server.token_endpoint).toBe(`${issuer.origin}/oauth/token`)
    expect(server.grant_types_supported).toEqual(['client_credentials'])
  })

  it.each([
    ['client_secret_basic', oauth.ClientSecretBasic(SECRET)],
    ['client_secret_post', oauth.ClientSecretPost(SECRET)],
  ])('gets a token by %s and validates it as RFC 9068 says', async (_, authentication) => {
    const server = await discover('oauth2')
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      { scope: 'orders.read', resource: 'https://api.example' },
      insecure,
    )
    const token = await oauth.processClientCredentialsResponse(server, client, response)
    expect(token).toMatchObject({ token_type: 'bearer', expires_in: 600, scope: 'orders.read' })
    const request = new Request('https://api.example/', {
      headers: { authorization: `Bearer ${token.access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(
      server,
      request,
      'https://api.example',
      insecure,
    )
    expect(claims).toMatchObject({ sub: 'client:orders', client_id: 'orders' })
  })

  it('understands a refused client as a challenge by Basic and as an error by the body', async () => {
    const server = await discover('oauth2')
    const refusal = async (authentication: oauth.ClientAuth) => {
      const response = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        authentication,
        {},
        insecure,
      )
      return await oauth
        .processClientCredentialsResponse(server, client, response)
        .catch((error: unknown) => error)
    }
    const challenged = await refusal(oauth.ClientSecretBasic('wrong'))
    expect(challenged).toBeInstanceOf(oauth.WWWAuthenticateChallengeError)
    const refused = await refusal(oauth.ClientSecretPost('wrong'))
    expect(refused).toBeInstanceOf(oauth.ResponseBodyError)
    expect(refused).toMatchObject({ error: 'invalid_client', status: 401 })
  })

  it.each([
    ['invalid_scope', { scope: 'orders.admin' }],
    ['invalid_target', { resource: 'https://other.example' }],
  ])('understands %s', async (code, parameters) => {
    const server = await discover('oauth2')
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.ClientSecretPost(SECRET),
      parameters,
      insecure,
    )
    await expect(
      oauth.processClientCredentialsResponse(server, client, response),
    ).rejects.toMatchObject({ error: code, status: 400 })
  })
})
