import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { InfisicalSDK } from '@infisical/sdk'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  createSdk,
  createTransport,
  InfisicalError,
  type Transport,
  type TransportRequest,
} from '../src/index.ts'
import { answerHtml, answerJson, type Handler, startFakeServer } from './fake-server.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  vi.unstubAllGlobals()
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function connect(handler: Handler, deadlineMs = 10_000) {
  const server = await startFakeServer(handler)
  cleanups.push(server.close)
  const sdk = await createSdk(createTransport({ siteUrl: server.url, deadlineMs }))
  return { server, sdk }
}

const credentials = { clientId: 'the-client-id', clientSecret: 'the-client-secret' }
const login = (client: InfisicalSDK) => client.auth().universalAuth.login(credentials)
const listOptions = { projectId: 'p', environment: 'prod', secretPath: '/auth/jwt' }
const list = (client: InfisicalSDK) => client.secrets().listSecrets(listOptions)

/** A transport that answers `{}` and remembers what it was asked. */
function recordingTransport(): Transport & { readonly seen: TransportRequest[] } {
  const seen: TransportRequest[] = []
  return {
    siteUrl: 'https://infisical.test',
    seen,
    request: async (request) => {
      seen.push(request)
      return {}
    },
  }
}

describe('the pinned version', () => {
  it('of @infisical/sdk is exactly 5.0.2, whose source the seam was read from', async () => {
    const entry = fileURLToPath(import.meta.resolve('@infisical/sdk'))
    const manifest = new URL('../../package.json', `file://${entry}`)
    expect(JSON.parse(await readFile(manifest, 'utf8')).version).toBe('5.0.2')
  })
})

describe('every call of the SDK', () => {
  /** Clients by name, and the calls of each; `awsIamAuth.login` asks Amazon first and is left out. */
  const clients: Readonly<Record<string, (client: InfisicalSDK) => object>> = {
    auth: (client) => client.auth().universalAuth,
    secrets: (client) => client.secrets(),
    folders: (client) => client.folders(),
    environments: (client) => client.environments(),
    projects: (client) => client.projects(),
    dynamicSecrets: (client) => client.dynamicSecrets(),
    leases: (client) => client.dynamicSecrets().leases,
    'kms keys': (client) => client.kms().keys(),
    'kms encryption': (client) => client.kms().encryption(),
    'kms signing': (client) => client.kms().signing(),
  }
  const names = {
    auth: ['login', 'renew'],
    secrets: [
      'listSecrets',
      'listSecretsWithImports',
      'getSecret',
      'updateSecret',
      'createSecret',
      'deleteSecret',
    ],
    folders: ['create', 'listFolders'],
    environments: ['create'],
    projects: ['create', 'inviteMembers'],
    dynamicSecrets: ['create', 'delete'],
    leases: ['create', 'delete', 'renew'],
    'kms keys': ['create', 'delete', 'getByName'],
    'kms encryption': ['encrypt', 'decrypt'],
    'kms signing': ['sign', 'verify', 'listSigningAlgorithms', 'getPublicKey'],
  }
  const calls = Object.entries(names).flatMap(([client, own]) =>
    own.map((name) => ({ client, name })),
  )

  const methodsOf = (client: object) =>
    [client, Object.getPrototypeOf(client)]
      .filter((owner) => owner !== Object.prototype)
      .flatMap((owner) => Object.entries(Object.getOwnPropertyDescriptors(owner)))
      .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
      .map(([name]) => name)

  it('is in the list below', async () => {
    const { client } = await createSdk(recordingTransport())
    const found = Object.entries(clients).map(([name, of]) => [name, methodsOf(of(client)).sort()])
    const listed = Object.entries(names).map(([name, own]) => [name, [...own].sort()])
    expect(found).toEqual(listed)
  })

  it.each(calls)(
    'passes through the transport, and no other fetch: $client $name',
    async (call) => {
      const fetch = vi.fn()
      vi.stubGlobal('fetch', fetch)
      const transport = recordingTransport()
      const { client } = await createSdk(transport)
      client.auth().accessToken('the-token')
      // Looked up by name: the table stands for the SDK's types here.
      const target = clients[call.client]?.(client) as Record<
        string,
        (...args: unknown[]) => unknown
      >
      const options = {
        ...listOptions,
        secretName: 'n',
        name: 'n',
        keyId: 'k',
        emails: ['a@b.test'],
      }
      const named =
        /^(create|update|delete)Secret$/.test(call.name) || /^(dyn|lea)/.test(call.client)
      const args = named ? ['n', options] : [options]
      await Promise.resolve(target[call.name]?.(...args)).catch(() => {})
      expect(transport.seen).toHaveLength(1)
      expect(transport.seen[0]).toMatchObject({ token: 'the-token' })
      expect(transport.seen[0]?.path).toMatch(/^\/api\/v\d\//)
      expect(fetch).not.toHaveBeenCalled()
    },
  )
})

describe('a redirect', () => {
  it.each([302, 307])('%i to another host takes no request and no secret there', async (status) => {
    const canary = await startFakeServer((_, response) =>
      answerJson(response, 200, { accessToken: 'from-the-canary', expiresIn: 60 }),
    )
    cleanups.push(canary.close)
    const { sdk } = await connect((_, response) =>
      response.writeHead(status, { location: `${canary.url}/api` }).end(),
    )
    await expect(sdk.run(login)).rejects.toMatchObject({ code: 'redirected', status })
    sdk.client.auth().accessToken('the-token')
    await expect(sdk.run(list)).rejects.toMatchObject({ code: 'redirected', status })
    expect(canary.requests).toEqual([])
  })
})

describe('a login', () => {
  it.each([
    [
      'HTML',
      (response: Parameters<Handler>[1]) => answerHtml(response, 200, '<html>hello</html>'),
      'not_json',
    ],
    [
      'JSON without a token',
      (response: Parameters<Handler>[1]) => answerJson(response, 200, {}),
      'unexpected_answer',
    ],
  ])('answered by %s with status 200 is none', async (_, answer, code) => {
    const { sdk } = await connect((_, response) => answer(response))
    await expect(sdk.run(login)).rejects.toMatchObject({ code })
    expect(sdk.client.auth().getAccessToken()).toBeNull()
  })

  it('shows what the SDK hides: how long the token lasts', async () => {
    const grant = { accessToken: 'the-token', expiresIn: 3600, accessTokenMaxTTL: 86_400 }
    const { server, sdk } = await connect((_, response) => answerJson(response, 200, grant))
    const answers: unknown[] = []
    await sdk.run(login, (answer) => answers.push(answer))
    expect(answers).toEqual([grant])
    expect(sdk.client.auth().getAccessToken()).toBe('the-token')
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual(credentials)
  })
})

describe('an error', () => {
  it('keeps code, status and cause, which the SDK drops', async () => {
    const refused = { statusCode: 403, message: 'You are not allowed', error: 'PermissionDenied' }
    const { sdk } = await connect((_, response) => answerJson(response, 403, refused))
    const error = await sdk.run(list).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(InfisicalError)
    expect(error).toMatchObject({ code: 'forbidden', status: 403 })
  })

  it('belongs to its own call where many run at once', async () => {
    const { sdk } = await connect(({ query }, response) => {
      const status = Number(query.get('environment'))
      answerJson(response, status, { statusCode: status, message: 'the same words' })
    })
    const statuses = [400, 403, 404, 500]
    const failures = statuses.map((status) =>
      sdk
        .run((client) =>
          client.secrets().listSecrets({ ...listOptions, environment: String(status) }),
        )
        .catch((error: InfisicalError) => error.status),
    )
    expect(await Promise.all(failures)).toEqual(statuses)
  })

  it('is told apart from one of the operation itself', async () => {
    const { sdk } = await connect((_, response) => answerJson(response, 200, {}))
    const own = new RangeError('of the operation')
    await expect(sdk.run(() => Promise.reject(own))).rejects.toBe(own)
  })

  it('is unexpected_answer where the SDK does not understand what came', async () => {
    const { sdk } = await connect((_, response) => response.writeHead(204).end())
    const read = sdk.run((client) =>
      client.folders().listFolders({ projectId: 'p', environment: 'e' }),
    )
    await expect(read).rejects.toMatchObject({
      code: 'unexpected_answer',
      cause: expect.any(Error),
    })
  })
})

describe('a hang', () => {
  it('ends at the deadline', async () => {
    const { sdk } = await connect(() => {}, 100)
    const startedMs = performance.now()
    await expect(sdk.run(list)).rejects.toMatchObject({ code: 'timeout' })
    expect(performance.now() - startedMs).toBeLessThan(1000)
  })
})
