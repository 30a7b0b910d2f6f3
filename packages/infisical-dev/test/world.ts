import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type InfisicalDev, type InfisicalDevOptions, startInfisicalDev } from '../src/index.ts'

/** A clock that stands still until it is moved. */
export function createManualClock(startMs = Date.UTC(2026, 10, 21)) {
  let now = startMs
  return {
    nowMs: () => now,
    advance(ms: number) {
      now += ms
    },
  }
}

/** An answer, with its body parsed. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into JSON whose shape they assert
  readonly body: any
}

export interface CallOptions {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Calls a server as any client would. */
export async function call(
  url: string,
  route: string,
  { token, body, headers }: CallOptions = {},
): Promise<Answer> {
  const [method = 'GET', path = '/'] = route.split(' ', 2)
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? '' : JSON.parse(text),
  }
}

export interface World {
  readonly server: InfisicalDev
  readonly dataDir: string
  readonly url: string
  call(route: string, options?: CallOptions): Promise<Answer>
  login(credentials: { clientId: string; clientSecret: string }): Promise<string>
  end(): Promise<void>
}

/** A server on a free port with a temporary data folder; a fault of its own fails the test. */
export async function startWorld(options: Partial<InfisicalDevOptions> = {}): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'infisical-dev-'))
  const faults: Error[] = []
  const server = await startInfisicalDev({
    dataDir,
    webhookDelayMs: 20,
    reportFault: (error) => faults.push(error),
    ...options,
  })
  const callHere: World['call'] = (route, wanted) => call(server.url, route, wanted)
  return {
    server,
    dataDir,
    url: server.url,
    call: callHere,
    async login({ clientId, clientSecret }) {
      const body = { clientId, clientSecret }
      const answer = await callHere('POST /api/v1/auth/universal-auth/login', { body })
      if (answer.status !== 200) throw new Error(`login: ${JSON.stringify(answer.body)}`)
      return answer.body.accessToken
    },
    async end() {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
      if (faults.length) throw new AggregateError(faults, 'the server reported faults of its own')
    },
  }
}
