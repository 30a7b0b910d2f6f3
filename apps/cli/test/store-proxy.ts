import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** A way to the store on which every write is seen, and which can fail. */
export interface StoreProxy {
  readonly url: string
  /** Runs before each write, by method and path; where it answers false, the connection is closed. */
  onWrite: (write: string) => boolean | Promise<boolean>
  close(): Promise<void>
}

/** What is no write, although it is sent as one. */
const LOGIN = '/api/v1/auth/universal-auth/login'

/** Starts a proxy in front of `target`, which adds every write that passes to `log`. */
export async function startStoreProxy(target: string, log: string[]): Promise<StoreProxy> {
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/', headers } = request
    const write = `${method} ${url.split('?')[0]}`
    if (method !== 'GET' && url !== LOGIN) {
      if (!(await proxy.onWrite(write))) return void request.socket.destroy()
      log.push(write)
    }
    const body = method === 'GET' ? undefined : await buffer(request)
    const answer = await fetch(target + url, {
      method,
      headers: {
        'content-type': headers['content-type'] ?? 'application/json',
        ...(headers.authorization && { authorization: headers.authorization }),
      },
      ...(body && { body }),
    })
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? 'text/plain',
    })
    response.end(await answer.text())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: StoreProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onWrite: () => true,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}
