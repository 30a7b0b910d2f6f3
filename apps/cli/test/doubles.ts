import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { AuthError, acknowledge, type Ping, parsePingKeys, verifyPing } from '@keyturn/auth-core'
import { type Keyring, publishJwks, type Revocation } from '@keyturn/auth-core/signing'
import type { KeyringStore } from '@keyturn/infisical'

/** How a double answers pings; can be changed while it runs. */
export interface Behaviour {
  /** `acknowledge` as the real ones do; or refuse every ping; or never answer. */
  ping: 'acknowledge' | 'refuse' | 'hang'
  /** Whether a ping makes it read the keys again. */
  reloads: boolean
  /** For how long it says that it has held the keys, at each answer in turn; the last one stays. */
  ages: number[]
}

/** What a double of an issuer or an edge is made of. */
export interface HolderOptions {
  readonly name: string
  readonly store: KeyringStore
  readonly pingPublicKeys: string
  /** The issuer of an edge; absent, the double is the issuer itself. */
  readonly issuer?: string
  /** Every accepted ping is added here, by the name of its receiver and its type. */
  readonly log?: string[]
  /** Answers other requests, as the token endpoint or the private listener of an issuer would. */
  readonly other?: (request: Received) => object | undefined
}

/** A request that arrived at a double. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A small issuer or edge: it verifies pings for real, and acknowledges the keys that it holds. */
export interface Holder {
  readonly url: string
  readonly behaviour: Behaviour
  readonly pings: readonly Ping[]
  close(): Promise<void>
}

/** Starts a double on a free port. */
export async function startHolder(options: HolderOptions): Promise<Holder> {
  const { name, store, log = [], other } = options
  const behaviour: Behaviour = { ping: 'acknowledge', reloads: true, ages: [60] }
  const keys = await parsePingKeys(options.pingPublicKeys)
  const pings: Ping[] = []
  const denied: Revocation[] = []
  let held: Keyring = (await store.read()).keyring
  const published = () =>
    publishJwks({ ...held, revocations: [...held.revocations, ...denied.filter(isNotListed)] })
  const isNotListed = ({ kid }: Revocation) => held.revocations.every((one) => one.kid !== kid)

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const refused = error instanceof AuthError && error.code.startsWith('ping_')
      send(response, refused ? 401 : 500, { error: refused ? 'invalid_ping' : String(error) })
    })
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const { method = '', url: path = '', headers } = request
    if (path === '/.well-known/jwks.json') {
      return send(response, 200, published(), 'application/jwk-set+json')
    }
    if (path === '/hooks/rotation' || path === '/internal/rotation') {
      return await answerPing(headers, body, response)
    }
    const answered = other?.({ method, path, headers, body })
    send(response, answered ? 200 : 404, answered ?? { error: 'not_found' })
  }

  async function answerPing(
    headers: IncomingMessage['headers'],
    body: string,
    response: ServerResponse,
  ): Promise<void> {
    if (behaviour.ping === 'hang') return
    if (behaviour.ping === 'refuse') return send(response, 503, { error: 'keys_unavailable' })
    const header = (key: string) => [headers[key]].flat()[0]
    const { ping } = await verifyPing(
      {
        id: header('webhook-id'),
        timestamp: header('webhook-timestamp'),
        signature: header('webhook-signature'),
        body,
      },
      { keys, issuer: options.issuer ?? url, now: Math.floor(Date.now() / 1000) },
    )
    pings.push(ping)
    log.push(`${name} ${ping.type}`)
    if (ping.type === 'keys.revoked') {
      const known = ping.data.kids.filter((kid) => held.keys.some((key) => key.kid === kid))
      denied.push(...known.map((kid) => ({ kid, at: 0, reason: 'a ping' })))
    } else if (behaviour.reloads) held = (await store.read()).keyring
    const [age = 60, ...later] = behaviour.ages
    if (later.length > 0) behaviour.ages = later
    send(response, 200, await acknowledge(published(), age))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  return {
    url,
    behaviour,
    pings,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  type = 'application/json',
): void {
  response.writeHead(status, { 'content-type': type })
  response.end(JSON.stringify(body))
}
