import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Address } from './config.ts'

/** A server that listens. */
export interface Listener {
  /** Host and port that it really has, as a URL. */
  readonly url: string
  /** Takes no new connection, finishes what was accepted, and resolves when nothing is left. */
  close(): Promise<void>
}

/** How long accepted requests may take once a listener closes. */
const CLOSING_MS = 10_000

/** Bounds for slow clients: headers within 10 s, the whole request within 30 s. */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 }

/**
 * Serves an app on an address.
 *
 * @throws {Error} with the `code` of the operating system, such as EADDRINUSE
 */
export async function listen(
  app: { fetch(request: Request): Response | Promise<Response> },
  { host, port }: Address,
): Promise<Listener> {
  const server = createServer(
    LIMITS,
    getRequestListener((request) => app.fetch(request), { hostname: host }),
  )
  const finishing = endConnectionsOnClose(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  // A TCP server that listens has an address of this form.
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () => close(server, finishing),
  }
}

/** Kept-alive connections would outlive a closed server: their last answer says that it is the last. */
function endConnectionsOnClose(server: Server): () => void {
  const open = new Set<ServerResponse>()
  let closing = false
  server.prependListener('request', (_, response) => {
    if (closing) response.shouldKeepAlive = false
    open.add(response)
    response.once('close', () => open.delete(response))
  })
  return () => {
    closing = true
    for (const response of open) response.shouldKeepAlive = false
  }
}

async function close(server: Server, finishing: () => void): Promise<void> {
  finishing()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const cut = setTimeout(() => server.closeAllConnections(), CLOSING_MS)
  await closed
  clearTimeout(cut)
}
