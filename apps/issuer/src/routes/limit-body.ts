import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'

/**
 * Limits the body of a request.
 *
 * A length that was announced is enforced by Node's parser, so a short one is let through as it is:
 * touching the body as a stream costs more than all the rest of a token request. A body without a
 * length is counted while it is read.
 */
export function limitBody(
  maxBytes: number,
  onTooLarge: (c: Context) => Response,
): MiddlewareHandler {
  const counted = bodyLimit({ maxSize: maxBytes, onError: onTooLarge })
  return async function limitBody(c, next) {
    const length = c.req.header('content-length')
    const announced = length !== undefined && c.req.header('transfer-encoding') === undefined
    if (!announced) return await counted(c, next)
    return Number(length) <= maxBytes ? await next() : onTooLarge(c)
  }
}

/** The answer of the hooks to a body that is too large. */
export function tooLarge(c: Context): Response {
  return c.json({ error: 'too_large' }, 413)
}
