import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unstable_startWorker } from 'wrangler'

/** RFC 8037 appendix A. */
const JWK = {
  kty: 'OKP',
  crv: 'Ed25519',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
}

let origin: Server
let fetches = 0
let edge: Awaited<ReturnType<typeof unstable_startWorker>>
let url: URL

beforeEach(async () => {
  fetches = 0
  origin = createServer(async (_, response) => {
    fetches++
    await sleep(400)
    response.writeHead(200, { 'content-type': 'application/jwk-set+json' })
    response.end(JSON.stringify({ keys: [JWK], revision: 1_000, revoked: [] }))
  })
  origin.listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const { port } = origin.address() as AddressInfo
  edge = await unstable_startWorker({
    config: `${import.meta.dirname}/../../wrangler.jsonc`,
    envFiles: [],
    bindings: { JWKS_URL: { type: 'plain_text', value: `http://127.0.0.1:${port}/jwks` } },
    dev: {
      server: { hostname: '127.0.0.1', port: 0 },
      persist: false,
      watch: false,
      inspector: false,
      logLevel: 'none',
    },
  })
  // workerd itself: the proxy that wrangler lays before it would swallow a reset.
  const [{ proxyData }] = await once(edge.raw, 'reloadComplete')
  const { hostname, port: workerdPort } = proxyData.userWorkerUrl
  url = new URL(`http://${hostname}:${workerdPort}/.well-known/jwks.json`)
})

afterEach(async () => {
  await edge.dispose()
  origin.close()
})

/** Sends a request whose client will reset its connection instead of waiting for the answer. */
async function impatientRequest(): Promise<() => void> {
  const socket = connect(Number(url.port), url.hostname)
  await once(socket, 'connect')
  socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
  while (fetches === 0) await sleep(5)
  return () => socket.resetAndDestroy()
}

describe('a cold isolate whose first client resets its connection', () => {
  it('answers those who waited for the same load, and all later ones', async () => {
    const reset = await impatientRequest()
    const followers = Array.from({ length: 10 }, () => fetch(url))
    await sleep(100)
    reset()
    for (const follower of followers) expect((await follower).status).toBe(200)
    expect((await fetch(url)).status).toBe(200)
    expect(fetches).toBe(1)
  })
})
