import type { InfisicalSDK } from '@infisical/sdk'
import { type Clock, systemClock } from '@keyturn/auth-core'
import { type AcquireFailure, createAcquirer, type Held, type SessionEvent } from './acquire.ts'
import { InfisicalError, isInfisicalError } from './errors.ts'
import { type Credentials, type LoginMethodName, loginMethods } from './login-methods.ts'
import { planRenewal, renewalRetryMs } from './renewal.ts'
import { backgroundSchedule, type Schedule } from './schedule.ts'
import type { Transport, TransportRequest } from './transport.ts'

/** How a session stands; holds no secret. Instants are whole seconds since the epoch. */
export interface SessionStatus {
  readonly method: LoginMethodName
  /** The last login; undefined before the first and after {@link Session.close}. */
  readonly since?: number
  /** The end of the present token; undefined without one, and where it never ends. */
  readonly expiresAt?: number
  /** Renewals since the last login. */
  readonly renewals: number
  /** The last failed login or renewal, until one succeeds. */
  readonly lastError?: AcquireFailure
}

/** A machine identity that stays logged in. */
export interface Session {
  /** Logs in now. Not needed before a call; it makes a start fail early. */
  login(): Promise<void>
  /** The official SDK with a valid token. Its errors have no codes, and nothing repeats a call. */
  sdk(): Promise<InfisicalSDK>
  /**
   * Runs one call of the SDK. Where the token turns out to be lost, logs in again once, with a new
   * instance, and repeats the call; writes too, as a refused token means that nothing was done.
   * An operation of several calls is repeated only when none of them was answered before.
   *
   * @throws {InfisicalError} whatever the transport and the login throw
   */
  call<T>(operation: (sdk: InfisicalSDK) => Promise<T>): Promise<T>
  /** The same for a route that the SDK lacks. */
  request(request: Omit<TransportRequest, 'token'>): Promise<unknown>
  status(): SessionStatus
  /** Ends the renewals; every later call throws `session_closed`. */
  close(): void
}

/** What a {@link Session} is made of. */
export interface SessionOptions {
  readonly transport: Transport
  readonly credentials: Credentials
  readonly clock?: Clock
  /** Runs the renewals; the default never keeps a process alive. */
  readonly schedule?: Schedule
  /** Between 0 and 1, for the jitter of the renewals. */
  readonly random?: () => number
  readonly onEvent?: (event: SessionEvent) => void
}

/** Timers hold at most 2^31 - 1 ms and fire at once above. */
const LONGEST_TIMER_MS = 24 * 60 * 60 * 1000

/**
 * Makes a session. It logs in at the first call, renews at about 80 % of the token's life, logs in
 * anew where a renewal would reach past the max TTL, and never does two of these at once. A static
 * token is used as it is: it is neither renewed nor replaced.
 */
export function createSession(options: SessionOptions): Session {
  const { transport, credentials, clock = systemClock, onEvent } = options
  const { schedule = backgroundSchedule, random = Math.random } = options
  const { method } = credentials
  const acquirer = createAcquirer({ transport, credentials, clock, onEvent })
  let held: Held | undefined
  let pending: Promise<Held> | undefined
  let cancelTimer = () => {}
  let closed = false

  /** Single flight: whoever comes while a login or renewal runs gets its result. */
  async function acquire(from?: Held): Promise<Held> {
    if (closed) throw closedError()
    pending ??= acquireNow(from).finally(() => {
      pending = undefined
    })
    return await pending
  }

  async function acquireNow(from: Held | undefined): Promise<Held> {
    const acquired = await acquirer.acquire(from)
    if (closed) throw closedError()
    held = acquired
    cancelTimer()
    const renewal = planRenewal(acquired.grant, acquired, random())
    if (renewal) wakeAt(renewal.atMs, renewal.by === 'renew' ? acquired : undefined)
    return acquired
  }

  function wakeAt(atMs: number, from: Held | undefined): void {
    const waitMs = Math.max(0, atMs - clock.nowMs())
    cancelTimer = schedule(Math.min(waitMs, LONGEST_TIMER_MS), () => {
      if (waitMs > LONGEST_TIMER_MS) return wakeAt(atMs, from)
      acquire(from).catch((error: unknown) => {
        const nowMs = clock.nowMs()
        if (!closed) wakeAt(nowMs + renewalRetryMs(error, (held?.endMs ?? nowMs) - nowMs), from)
      })
    })
  }

  async function valid(): Promise<Held> {
    return !closed && held && clock.nowMs() < held.endMs ? held : await acquire()
  }

  async function withToken<T>(use: (held: Held, onAnswer: () => void) => Promise<T>): Promise<T> {
    const first = await valid()
    let answered = false
    try {
      return await use(first, () => {
        answered = true
      })
    } catch (error) {
      const repeat = isInfisicalError(error, 'token_lost') && !answered
      if (!repeat || !loginMethods[method].repeatable) throw error
      if (held === first) held = undefined
      return await use(await valid(), () => {})
    }
  }

  return {
    login: async () => void (await acquire()),
    sdk: async () => (await valid()).sdk.client,
    call: (operation) => withToken(({ sdk }, onAnswer) => sdk.run(operation, onAnswer)),
    request: (request) =>
      withToken(({ grant }) => transport.request({ ...request, token: grant.token })),
    status: () => statusOf(method, held, acquirer.lastError()),
    close() {
      closed = true
      held = undefined
      cancelTimer()
    },
  }
}

function statusOf(
  method: LoginMethodName,
  held: Held | undefined,
  lastError: AcquireFailure | undefined,
): SessionStatus {
  return {
    method,
    renewals: held?.renewals ?? 0,
    ...(held && { since: Math.floor(held.loggedInAtMs / 1000) }),
    ...(held && Number.isFinite(held.endMs) && { expiresAt: Math.floor(held.endMs / 1000) }),
    ...(lastError && { lastError }),
  }
}

function closedError(): InfisicalError {
  return new InfisicalError('session_closed', 'expected a session that is open')
}
