import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Delivery {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly raw: string
}

/** A webhook receiver on a free port, which keeps what it got. */
export async function startReceiver() {
  const deliveries: Delivery[] = []
  let status = 200
  const server = createServer((request, response) => {
    let raw = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      raw += chunk
    })
    request.on('end', () => {
      deliveries.push({ path: request.url ?? '', headers: request.headers, raw })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // A TCP server's address is an AddressInfo.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    deliveries,
    answerWith(next: number) {
      status = next
    },
    async end() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>
