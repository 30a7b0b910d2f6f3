import { createHash } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import type { z } from 'zod'

import type { Actor, Auth } from './auth.ts'
import { refuse } from './errors.ts'
import type { Limit, RateLimiter } from './rate-limit.ts'
import { validate } from './validation.ts'

/** What the middleware leaves for the routes. */
export interface AppEnv {
  Variables: {
    /** Set where the request brought a bearer. */
    actor: Actor | undefined
  }
}

/** Who a route is for. */
export type Audience = 'anyone' | 'signed-in' | 'users'

/** Builds the middleware of one route: who may call it, and how often. */
export type Guard = (audience: Audience, limit: Limit) => MiddlewareHandler<AppEnv>

export function createGuard(limiter: RateLimiter | undefined): Guard {
  return (audience, limit) => async (c, next) => {
    const actor = c.get('actor')
    if (audience !== 'anyone' && !actor) throw refuse.tokenMissing()
    if (audience === 'users' && actor?.type !== 'user') throw refuse.usersOnly(urlOf(c))
    if (limiter) spend(c, limiter, limit)
    await next()
  }
}

function spend(c: Context<AppEnv>, limiter: RateLimiter, limit: Limit): void {
  const key = `${c.req.method} ${c.req.routePath} ${clientAddress(c)}`
  const quota = limiter(key, limit)
  c.header('x-ratelimit-limit', String(quota.limit))
  c.header('x-ratelimit-remaining', String(quota.remaining))
  c.header('x-ratelimit-reset', String(quota.resetSeconds))
  if (!quota.isExceeded) return
  c.header('retry-after', String(quota.resetSeconds))
  throw refuse.rateLimited()
}

// The recorded server believes this header from anyone.
function clientAddress(c: Context<AppEnv>): string {
  const forwarded = c.req.header('x-forwarded-for')?.split(',')[0]?.trim()
  return forwarded ?? getConnInfo(c).remote.address ?? 'unknown'
}

/**
 * Reads the bearer of every request, also of a login: a stale one that is sent along is refused
 * before the credentials are looked at, as recorded.
 */
export const readBearer =
  (auth: Auth): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const authorization = c.req.header('authorization')
    if (authorization) c.set('actor', auth.actorOf(authorization.replace(/^Bearer /i, '')))
    await next()
  }

/** `ETag` (SHA-1 of the body, in base64, quoted) on every answer, and 304 for a GET that has it. */
export const entityTags: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  const body = await c.res.clone().arrayBuffer()
  const tag = `"${createHash('sha1').update(new Uint8Array(body)).digest('base64')}"`
  c.res.headers.set('etag', tag)
  if (c.req.method !== 'GET' || c.req.header('if-none-match') !== tag) return
  c.res.headers.delete('content-type')
  c.res = new Response(null, { status: 304, headers: c.res.headers })
}

/** The path and query as the client wrote them. */
export const urlOf = (c: Context): string => {
  const { pathname, search } = new URL(c.req.url)
  return `${pathname}${search}`
}

/** The actor of a route that is not for anyone. @throws {ApiError} 401 */
export function actorOf(c: Context<AppEnv>): Actor {
  const actor = c.get('actor')
  if (!actor) throw refuse.tokenMissing()
  return actor
}

/** @throws {ApiError} 401 ValidationFailure */
export const query = <Out>(c: Context, schema: z.ZodType<Out>): Out =>
  validate(schema, c.req.query())

/**
 * Reads a JSON or form body; none at all is `null`.
 *
 * @throws {ApiError} 500 for what cannot be parsed, as recorded; 401 ValidationFailure
 */
export async function body<Out>(c: Context, schema: z.ZodType<Out>): Promise<Out> {
  const text = await c.req.text()
  if (text === '') return validate(schema, null)
  const type = c.req.header('content-type') ?? ''
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return validate(schema, Object.fromEntries(new URLSearchParams(text)))
  }
  return validate(schema, parseJson(text))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refuse.internal()
  }
}

/** An instant of the store as the wire shows it. */
export const iso = (ms: number): string => new Date(ms).toISOString()

/** The two instants that every entity shows. */
export const times = (entity: { readonly created_at: number; readonly updated_at: number }) => ({
  createdAt: iso(entity.created_at),
  updatedAt: iso(entity.updated_at),
})
