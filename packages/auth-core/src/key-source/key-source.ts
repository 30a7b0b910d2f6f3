import { AuthError } from '../errors.ts'
import { isInstant, type VerifyKey } from '../jwk.ts'
import type { Clock, Seconds } from '../time.ts'
import {
  type AcceptAlarm,
  type Accepted,
  accept,
  type HeldKeys,
  type LoadedKeys,
  withRevoked,
} from './accept.ts'

/** What a load is asked for. */
export interface LoadRequest {
  /** `routine`: the set grew old; `unknown_kid`: a token names a kid that is not there; `ping`. */
  readonly cause: 'routine' | 'unknown_kid' | 'ping'
}

/** How a key source loads and how long it trusts what it holds. Milliseconds. */
export interface KeySourceOptions {
  /** Reads the key set. It keeps its own deadline and rejects with an `AuthError`. */
  load(request: LoadRequest): Promise<LoadedKeys>
  readonly clock: Clock
  /** From this age on a read refreshes the set in the background. */
  readonly refreshAfterMs: number
  /** From this age on a read waits for the refresh. */
  readonly freshForMs: number
  /** From this age on there is no answer any more, only `keys_unavailable`. */
  readonly staleForMs: number
  /** Shortest time between two routine loads, counted on attempts, not on successes. */
  readonly cooldownMs: number
  /** Shortest time between two loads for unknown kids, counted likewise. */
  readonly unknownKidCooldownMs: number
  /** How long a read waits for a load that it needs. Default 2000. */
  readonly waitMs?: number
  /**
   * How much later than a token's `iat` a load must have begun to prove that its kid does not exist:
   * the issuer's own propagation and the difference of clocks. Default 65,000.
   */
  readonly unknownKidMarginMs?: number
  /** What was known before, such as a stored snapshot. */
  readonly initial?: HeldKeys
  onEvent?(event: KeySourceEvent): void
}

export type KeySourceEvent =
  | { readonly type: 'loaded'; readonly held: HeldKeys; readonly cause: LoadRequest['cause'] }
  | { readonly type: 'load_failed'; readonly error: unknown; readonly cause: LoadRequest['cause'] }
  | { readonly type: 'alarm'; readonly alarm: AcceptAlarm; readonly held: HeldKeys }

/** Keeps a promise running after the request that started it is gone (`ctx.waitUntil`). */
export type KeepAlive = (promise: Promise<unknown>) => void

/** A cached key set. */
export interface KeySource {
  /** What is held now, without any I/O. */
  peek(): HeldKeys | undefined
  /** The key set, fresh enough. @throws {AuthError} `keys_unavailable` */
  read(keepAlive?: KeepAlive): Promise<HeldKeys>
  /**
   * The key of a kid. @throws {AuthError} `key_revoked`, `key_unknown`; `key_undecided` while it is
   * not known whether the kid exists; `keys_unavailable`
   */
  resolve(
    kid: string,
    claimedIat: () => Seconds | undefined,
    keepAlive?: KeepAlive,
  ): VerifyKey | Promise<VerifyKey>
  /** Loads again, with a load that begins after this call. @throws what the load throws */
  reload(request: LoadRequest, keepAlive?: KeepAlive): Promise<HeldKeys>
  /** Revokes kids at once, whatever later loads say. */
  revoke(kids: readonly string[]): Promise<void>
  /** Forgets what is held. */
  forget(): void
}

interface Flight {
  readonly promise: Promise<HeldKeys>
  readonly startedAtMs: number
}

/** A load that has not ended after this time is no longer waited for: its leader may be gone. */
const FLIGHT_LIFE_MS = 4_000

/**
 * Caches a key set: one state machine for every place that does (a Node API, the hub, an isolate).
 *
 * Loads are single flight. A failed load never replaces a good set, which serves until it is stale.
 * An unknown kid leads to at most one load per `unknownKidCooldownMs`, however many kids an attacker
 * invents; it is refused as unknown only under a set that was read after the token was issued, and is
 * undecided (503, not 401) until then, so that nobody can blind the source to a new key.
 */
export function createKeySource(options: KeySourceOptions): KeySource {
  const { clock, load, waitMs = 2_000, unknownKidMarginMs = 65_000, onEvent } = options
  let held = options.initial
  let flight: Flight | undefined
  let queued: Promise<HeldKeys> | undefined
  let attemptedAtMs = Number.NEGATIVE_INFINITY
  let forcedAtMs = Number.NEGATIVE_INFINITY
  let lastError: unknown

  /** From an instant until now, or back: a clock that was set back must not stretch any wait. */
  const msBetween = (instantMs: number) => Math.abs(clock.nowMs() - instantMs)
  const ageMs = (of: HeldKeys) => msBetween(of.asOfMs)

  const isFresh = (of: HeldKeys) => ageMs(of) < options.refreshAfterMs

  async function runLoad(request: LoadRequest): Promise<HeldKeys> {
    try {
      const loaded = await load(request)
      const after = await take(loaded)
      lastError = undefined
      onEvent?.(
        after.alarm
          ? { type: 'alarm', alarm: after.alarm, held: after.held }
          : { type: 'loaded', held: after.held, cause: request.cause },
      )
      return after.held
    } catch (error) {
      lastError = error
      onEvent?.({ type: 'load_failed', error, cause: request.cause })
      throw error
    }
  }

  /** Repeats where something else (a revocation, another load) changed the held set meanwhile. */
  async function take(loaded: LoadedKeys): Promise<Accepted> {
    for (;;) {
      const before = held
      const accepted = await accept(before, loaded, clock.nowMs())
      if (held !== before) continue
      held = accepted.held
      return accepted
    }
  }

  async function revoke(kids: readonly string[]): Promise<void> {
    for (;;) {
      const before = held
      if (!before) return
      const after = await withRevoked(before, kids)
      if (held !== before) continue
      held = after
      return
    }
  }

  function start(request: LoadRequest, keepAlive?: KeepAlive): Promise<HeldKeys> {
    attemptedAtMs = clock.nowMs()
    const promise = runLoad(request)
    const mine: Flight = { promise, startedAtMs: attemptedAtMs }
    flight = mine
    const settled = promise.then(
      () => undefined,
      () => undefined,
    )
    // Without keepAlive a request that is reset by its client would take the load with it.
    keepAlive?.(settled)
    void settled.then(() => {
      if (flight === mine) flight = undefined
    })
    return promise
  }

  function inFlight(): Promise<HeldKeys> | undefined {
    if (!flight || msBetween(flight.startedAtMs) > FLIGHT_LIFE_MS) return undefined
    return flight.promise
  }

  /** Joins or starts a routine load; `undefined` while cooling down. */
  function refresh(keepAlive?: KeepAlive): Promise<HeldKeys> | undefined {
    const running = inFlight()
    if (running) return running
    if (msBetween(attemptedAtMs) < options.cooldownMs) return undefined
    return start({ cause: 'routine' }, keepAlive)
  }

  async function read(keepAlive?: KeepAlive): Promise<HeldKeys> {
    if (held && isFresh(held)) return held
    const load = refresh(keepAlive)
    if (held && ageMs(held) < options.freshForMs) {
      load?.catch(() => undefined)
      return held
    }
    const loaded = load && (await settledWithin(load))
    if (loaded) return loaded
    if (held && ageMs(held) < options.staleForMs) return held
    throw unavailable()
  }

  async function settledWithin(promise: Promise<HeldKeys>): Promise<HeldKeys | undefined> {
    const cut = new AbortController()
    const late = clock.sleep(waitMs, cut.signal).then(() => undefined)
    try {
      return await Promise.race([promise.catch(() => undefined), late])
    } finally {
      cut.abort()
    }
  }

  /** At once, without a promise, where a fresh set knows the kid. */
  function resolve(
    kid: string,
    claimedIat: () => Seconds | undefined,
    keepAlive?: KeepAlive,
  ): VerifyKey | Promise<VerifyKey> {
    const known = held && isFresh(held) ? find(held, kid) : undefined
    return known ?? resolveSlowly(kid, claimedIat, keepAlive)
  }

  async function resolveSlowly(
    kid: string,
    claimedIat: () => Seconds | undefined,
    keepAlive?: KeepAlive,
  ): Promise<VerifyKey> {
    const found = find(await read(keepAlive), kid)
    if (found) return found
    const iat = claimedIat()
    const now = clock.nowMs()
    if (!isInstant(iat) || iat * 1000 > now + unknownKidMarginMs) throw unknown(kid)
    if (!held || !provesAbsence(held, iat)) await force(keepAlive)
    if (!held) throw unavailable()
    const late = find(held, kid)
    if (late) return late
    if (provesAbsence(held, iat)) throw unknown(kid)
    throw new AuthError('key_undecided', 'the key set was read after the token was issued', { kid })
  }

  function find({ keySet }: HeldKeys, kid: string): VerifyKey | undefined {
    if (keySet.revoked.has(kid)) {
      throw new AuthError('key_revoked', 'the key is not revoked', { kid })
    }
    return keySet.keys.get(kid)
  }

  function provesAbsence({ fetchedAtMs }: HeldKeys, iat: Seconds): boolean {
    return fetchedAtMs > iat * 1000 + unknownKidMarginMs
  }

  async function force(keepAlive?: KeepAlive): Promise<void> {
    const running = inFlight()
    if (running) {
      await settledWithin(running)
      return
    }
    if (msBetween(forcedAtMs) < options.unknownKidCooldownMs) return
    forcedAtMs = clock.nowMs()
    await settledWithin(start({ cause: 'unknown_kid' }, keepAlive))
  }

  /** A reload never joins a load that began before it; those that wait meanwhile share the next one. */
  function reload(request: LoadRequest, keepAlive?: KeepAlive): Promise<HeldKeys> {
    const running = inFlight()
    if (!running) return start(request, keepAlive)
    queued ??= settledWithin(running).then(() => {
      queued = undefined
      return start(request, keepAlive)
    })
    return queued
  }

  function unavailable(): AuthError {
    const retryAfter: Seconds = Math.max(1, Math.ceil(options.cooldownMs / 1000))
    return new AuthError('keys_unavailable', 'a key set that is recent enough', {
      retryAfter,
      cause: lastError,
    })
  }

  return {
    peek: () => held,
    read,
    resolve,
    reload,
    revoke,
    forget: () => {
      held = undefined
    },
  }
}

function unknown(kid: string): AuthError {
  return new AuthError('key_unknown', 'the kid is in the key set', { kid })
}
