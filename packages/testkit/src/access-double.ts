import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

/** How Access answers a request without a valid service token. Organisations differ. */
export type AccessRefusal = 'redirect' | 'forbidden' | 'html'

/** A double of Cloudflare Access in front of one origin. */
export interface AccessDouble {
  readonly url: string
  /** Requests that were let through, and that were refused. */
  readonly counts: { passed: number; refused: number }
  close(): Promise<void>
}

const REFUSALS: Readonly<Record<AccessRefusal, (url: string) => Response>> = {
  redirect: (url) =>
    new Response(null, {
      status: 302,
      headers: {
        location: `https://team.cloudflareaccess.com/cdn-cgi/access/login/${new URL(url).host}`,
      },
    }),
  forbidden: () =>
    new Response('Forbidden. You don’t have permission to view this.', { status: 403 }),
  html: () =>
    new Response('<!doctype html><title>Sign in ・ Cloudflare Access</title>', {
      headers: { 'content-type': 'text/html; charset=utf-8' },
    }),
}

/**
 * Starts a double of Cloudflare Access with a Service Auth policy: what bears the right
 * `CF-Access-Client-Id` and `CF-Access-Client-Secret` goes to the origin, without these headers, and
 * all else is answered as Access would.
 */
export async function startAccessDouble({
  origin,
  clientId,
  clientSecret,
  port = 0,
  refusal = 'redirect',
}: {
  readonly origin: string
  readonly clientId: string
  readonly clientSecret: string
  readonly port?: number
  readonly refusal?: AccessRefusal
}): Promise<AccessDouble> {
  const counts = { passed: 0, refused: 0 }
  const app = new Hono()
  app.all('*', async (c) => {
    const allowed =
      c.req.header('cf-access-client-id') === clientId &&
      c.req.header('cf-access-client-secret') === clientSecret
    if (!allowed) {
      counts.refused += 1
      return REFUSALS[refusal](c.req.url)
    }
    counts.passed += 1
    const { pathname, search } = new URL(c.req.url)
    const {
      'cf-access-client-id': _id,
      'cf-access-client-secret': _secret,
      ...headers
    } = c.req.header()
    return await proxy(`${origin}${pathname}${search}`, { raw: c.req.raw, headers }).catch(() =>
      c.text('error code: 502', 502),
    )
  })
  return await new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, (address) => {
      resolve({
        url: `http://127.0.0.1:${address.port}`,
        counts,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            if ('closeAllConnections' in server) server.closeAllConnections()
          }),
      })
    })
    server.on('error', reject)
  })
}
