import {
  AuthError,
  type Clock,
  createVerifiedCache,
  type Expected,
  type KeySource,
  nowSeconds,
  type VerifiedCache,
  type VerifiedToken,
  verifyToken,
} from '@keyturn/auth-core'
import { type Context, type Handler, Hono } from 'hono'
import type { Log } from './log.ts'
import type { Route } from './route-table.ts'
import { forward } from './upstream.ts'
import { json, missingToken, refusal } from './wire-errors.ts'

/** What verified routes run on. */
export interface RoutesDeps {
  readonly routes: readonly Route[]
  readonly keys: KeySource
  readonly clock: Clock
  readonly log: Log
}

/** A quarter of what an isolate may use. */
const CACHE_BYTES = 32 * 1024 * 1024

/**
 * The verified routes: each answers only to a token that holds for it. Routes share what is remembered
 * of signatures, and each applies its own rules to every request.
 */
export function createRoutes({ routes, ...deps }: RoutesDeps): Hono {
  const app = new Hono()
  const cache = createVerifiedCache({ maxBytes: CACHE_BYTES })
  for (const route of routes) {
    const handler = createHandler(route, { ...deps, cache })
    if (route.methods) app.on([...route.methods], route.path, handler)
    else app.all(route.path, handler)
  }
  return app
}

interface HandlerDeps extends Omit<RoutesDeps, 'routes'> {
  readonly cache: VerifiedCache
}

function createHandler(route: Route, deps: HandlerDeps): Handler {
  return async (c) => {
    const token = bearerToken(c.req.header('authorization'))
    if (token === undefined) return missingToken()
    try {
      return await answer(c, route, await verify(c, token, route.expected, deps))
    } catch (error) {
      if (!(error instanceof AuthError)) throw error
      deps.log('token_refused', { code: error.code, path: route.path, ...loggable(error) })
      return refusal(error, route.expected.scope)
    }
  }
}

async function verify(
  c: Context,
  token: string,
  expected: Expected,
  { keys, clock, cache }: HandlerDeps,
): Promise<VerifiedToken> {
  return await verifyToken(token, {
    resolveKey: (kid, claimedIat) =>
      keys.resolve(kid, claimedIat, (promise) => c.executionCtx.waitUntil(promise)),
    expected,
    now: nowSeconds(clock),
    cache,
  })
}

async function answer(
  c: Context,
  { upstream }: Route,
  { claims, kid }: VerifiedToken,
): Promise<Response> {
  if (upstream) return await forward(c.req.raw, upstream, claims)
  const { sub, client_id, scope, aud, exp } = claims
  return json({ sub, client_id, scope, aud, exp, kid }, 200)
}

/**
 * The token of an Authorization header; `undefined` where there is none, or another scheme. What
 * follows the scheme is judged by `verifyToken`, so that everything malformed looks alike.
 *
 * @see RFC 6750 section 2.1
 */
function bearerToken(header: string | undefined): string | undefined {
  return /^bearer(?: +(.*))?$/is
    .exec(header ?? '')
    ?.slice(1)
    .map((token) => token ?? '')[0]
}

/** The facts of a refusal that may be logged: kids are bounded and printable, reasons are ours. */
function loggable({ details }: AuthError): Readonly<Record<string, unknown>> {
  const { kid, reason, missing } = details
  return { kid, reason, missing }
}
