import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { getRequestListener } from '@hono/node-server'

import { createApp } from './app.ts'
import { type Clock, systemClock } from './clock.ts'
import { createRateLimiter } from './rate-limit.ts'
import { createServices } from './services.ts'
import { loadSettings } from './settings.ts'
import { openStore } from './store.ts'

export interface InfisicalDevOptions {
  /** Where everything is kept; created where it is missing. */
  readonly dataDir: string
  /** 0, the default, means a free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** How long changes are gathered before a webhook is told; default 2000. */
  readonly webhookDelayMs?: number
  /** Refuse with 429 as recorded (40 secret requests per minute, route and client); default off. */
  readonly rateLimits?: boolean
  /** Decides when tokens and client secrets end, and stamps what is written. */
  readonly clock?: Clock
  /** Told of every answer 500 that is the server's own fault; by default it is printed. */
  readonly reportFault?: (error: Error) => void
}

export interface InfisicalDev {
  readonly url: string
  readonly port: number
  /** The bearer token of the one user, who may do everything. It outlives a restart. */
  readonly adminToken: string
  /** Answers what is in hand, drops pending webhook deliveries, and closes the database. */
  close(): Promise<void>
}

/**
 * Starts a server that speaks the part of Infisical's API that Keyturn uses, as a real one was
 * recorded to speak it. The promise rejects with EADDRINUSE when the port is taken.
 *
 * For development and tests: values are stored in the clear, and one token may do everything.
 */
export async function startInfisicalDev(options: InfisicalDevOptions): Promise<InfisicalDev> {
  const { port = 0, host = '127.0.0.1', webhookDelayMs = 2000, clock = systemClock } = options
  const reportFault = options.reportFault ?? ((error: Error) => console.error(error))
  const dataDir = resolve(options.dataDir)
  const store = openStore(dataDir)
  const settings = loadSettings(store, clock, dataDir)
  const services = createServices({ store, clock, settings, webhookDelayMs })
  const limiter = options.rateLimits ? createRateLimiter(clock) : undefined
  const app = createApp({ services, limiter, reportFault })
  const server = createServer(getRequestListener(app.fetch))

  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(port, host, done)
  }).catch((error: unknown) => {
    store.close()
    throw error
  })

  const address = server.address()
  const boundPort = typeof address === 'object' && address ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    port: boundPort,
    adminToken: settings.adminToken,
    async close() {
      services.webhooks.stop()
      await new Promise<void>((done) => {
        server.close(() => done())
        server.closeIdleConnections()
      })
      store.close()
    },
  }
}
