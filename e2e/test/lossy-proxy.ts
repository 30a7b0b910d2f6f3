import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A way to the edge on which messages can be lost. */
export interface LossyProxy {
  readonly url: string
  /** From now on, pings that tell of a later revision than this never arrive. */
  loseAbove(revision: number): void
  /** How many were lost. */
  lost(): number
  close(): Promise<void>
}

/** Starts a proxy that forwards pings to `target`, and closes the connection on those to be lost. */
export async function startLossyProxy(target: string): Promise<LossyProxy> {
  let limit = Number.POSITIVE_INFINITY
  let lost = 0
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const { data } = JSON.parse(body.toString()) as { data: { revision: number } }
    if (data.revision > limit) {
      lost += 1
      incoming.socket.destroy()
      return
    }
    const { method, headers } = incoming
    const forwarded = request(`${target}${incoming.url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => incoming.socket.destroy())
    forwarded.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseAbove: (revision) => {
      limit = revision
    },
    lost: () => lost,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
