import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runKeyturn } from './world.ts'

let server: Server
let url: string
let answer: { status: number; body: unknown }
let last: { method: string | undefined; authorization: string | undefined; body: string }

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const { method, headers } = request
    last = { method, authorization: headers.authorization, body: await text(request) }
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer.body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  answer = { status: 201, body: { client_id: 'c1', client_secret: 's3cret', name: 'reports' } }
})

const keyturn = (...args: readonly string[]) =>
  runKeyturn(args, { env: { KEYTURN_ADMIN_URL: url, KEYTURN_ADMIN_TOKEN: 'admin-token' } })
const CREATE = ['clients', 'create', '--name', 'reports', '--audience', 'https://api.example']

describe('clients', () => {
  it('registers a client and prints its secret once', async () => {
    const { code, stdout } = await keyturn(...CREATE, '--scope', 'a', '--scope', 'b')
    expect(code).toBe(0)
    expect(stdout).toBe('client_id:     c1\nclient_secret: s3cret\n')
    expect(last).toMatchObject({ method: 'POST', authorization: 'Bearer admin-token' })
    expect(JSON.parse(last.body)).toEqual({
      name: 'reports',
      scopes: ['a', 'b'],
      audiences: ['https://api.example'],
    })
  })

  it('lists clients as a table, and as JSON', async () => {
    const client = { client_id: 'c1', name: 'reports', scopes: ['a', 'b'], audiences: ['x'] }
    answer = { status: 200, body: { clients: [client] } }
    expect((await keyturn('clients', 'list')).stdout).toMatch(/^c1 +reports +a b +x$/m)
    expect(JSON.parse((await keyturn('clients', 'list', '--json')).stdout)).toEqual({
      clients: [client],
    })
  })

  it('needs a name and an audience', async () => {
    expect((await keyturn('clients', 'create', '--name', 'reports')).code).toBe(2)
    expect((await keyturn('clients', 'create', '--audience', 'x')).code).toBe(2)
  })

  it.each([
    [401, { error: 'unauthorized' }, 4, 'set KEYTURN_ADMIN_TOKEN'],
    [400, { error: 'invalid_request', error_description: 'name: too long' }, 2, 'name: too long'],
    [500, { error: 'server_error' }, 4, 'answers 500'],
    [302, {}, 4, 'redirects'],
  ])('tells what a %d of the private listener means', async (status, body, code, words) => {
    answer = { status, body }
    const ended = await keyturn(...CREATE)
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(words)
    expect(ended.stdout).toBe('')
  })
})
