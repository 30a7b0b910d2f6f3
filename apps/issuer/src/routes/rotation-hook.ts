import {
  AuthError,
  acknowledge,
  type Clock,
  type KeysAt,
  nowSeconds,
  type Ping,
  verifyPing,
} from '@keyturn/auth-core'
import { type Context, Hono } from 'hono'
import type { HeldKeys } from '../keys/held-keys.ts'
import type { KeyHolder } from '../keys/holder.ts'
import type { Reloader } from '../keys/reload.ts'
import { createSeenOnce } from '../keys/seen-once.ts'
import { describeError, type Logger } from '../telemetry/log.ts'
import { hookErrorOf } from '../wire-errors.ts'
import { limitBody, tooLarge } from './limit-body.ts'

const MAX_BODY_BYTES = 16 * 1024

/** Twice the tolerance of a ping's timestamp. */
const REMEMBERED_MS = 600_000

export interface RotationHookDeps {
  readonly issuer: string
  readonly keys: KeyHolder
  readonly reloader: Reloader
  readonly clock: Clock
  readonly log: Logger
}

/**
 * POST /hooks/rotation: the signed ping. The answer is the acknowledgement of what is held after the
 * issuer tried to reach the pinged state.
 *
 * A forged ping costs one signature check and leads to no read; so does a replayed one.
 *
 * @see https://www.standardwebhooks.com
 */
export function rotationHook(deps: RotationHookDeps): Hono {
  const { issuer, keys, clock, log } = deps
  const seen = createSeenOnce({ clock, ttlMs: REMEMBERED_MS, capacity: 10_000 })
  const route = new Hono()

  route.post('/', limitBody(MAX_BODY_BYTES, tooLarge), async (c) => {
    const ping = await receive(c)
    log.info({ ping: ping.type, revision: ping.data.revision }, 'ping received')
    await obey(ping, deps)
    const { jwks, sinceMs } = heldBy(keys)
    return c.json(await acknowledge(jwks, Math.floor((clock.nowMs() - sinceMs) / 1000)))
  })
  route.onError((error, c) => {
    const known = error instanceof AuthError ? hookErrorOf(error.code) : undefined
    const { status, error: word } = known ?? { status: 500, error: 'server_error' }
    log[status >= 500 ? 'error' : 'warn']({ error: describeError(error) }, 'ping refused')
    if (status === 503) c.header('retry-after', '5')
    return c.json({ error: word }, status)
  })

  async function receive(c: Context): Promise<Ping> {
    const received = {
      id: c.req.header('webhook-id'),
      timestamp: c.req.header('webhook-timestamp'),
      signature: c.req.header('webhook-signature'),
      body: await c.req.text(),
    }
    const { verifyKeys } = heldBy(keys).ping
    const { id, ping } = await verifyPing(received, {
      keys: verifyKeys,
      issuer,
      now: nowSeconds(clock),
    })
    if (!seen.claim(id)) throw new AuthError('ping_replayed', 'a ping counts once')
    return ping
  }

  return route
}

async function obey(ping: Ping, { keys, reloader, clock }: RotationHookDeps): Promise<void> {
  switch (ping.type) {
    case 'keys.changed':
      if (!holds(heldBy(keys), ping.data)) await reloader.reload('ping')
      return
    case 'keys.revoked': {
      const { kids, revision } = ping.data
      const at = nowSeconds(clock)
      const reason = 'announced by a signed ping'
      return await keys.announce(
        kids.map((kid) => ({ kid, at, reason })),
        revision,
      )
    }
    case 'revision.reset':
      await reloader.reload('ping', { resetTo: ping.data.revision })
  }
}

function holds({ keyring, digest }: HeldKeys, { revision, jwks_sha256 }: KeysAt): boolean {
  return keyring.revision === revision && digest === jwks_sha256
}

function heldBy(keys: KeyHolder): HeldKeys {
  const held = keys.held()
  if (!held) throw new AuthError('keys_unavailable', 'a keyring has been loaded')
  return held
}
