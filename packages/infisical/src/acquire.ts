import type { Clock } from '@keyturn/auth-core'
import { type InfisicalErrorCode, isInfisicalError } from './errors.ts'
import {
  type Credentials,
  type LoggedIn,
  type LoginMethod,
  type LoginMethodName,
  loginMethods,
  renewGrant,
} from './login-methods.ts'
import { type GrantTimes, grantEndMs } from './renewal.ts'
import type { Transport } from './transport.ts'

/** What a session did, for metrics and logs. */
export interface SessionEvent {
  readonly type: 'login' | 'login_failed' | 'renew' | 'renew_failed'
  readonly method: LoginMethodName
  readonly outcome: 'ok' | InfisicalErrorCode
  /** Duration in milliseconds. */
  readonly ms: number
}

/** A token in use: with the SDK instance that carries it, and its times. */
export interface Held extends LoggedIn, GrantTimes {
  /** Milliseconds since the epoch; Infinity where it never ends. */
  readonly endMs: number
  /** Renewals since the login. */
  readonly renewals: number
}

/** A failed login or renewal; `at` in whole seconds. */
export interface AcquireFailure {
  readonly code: InfisicalErrorCode
  readonly message: string
  readonly at: number
}

/** Gets tokens, one after the other, and reports each attempt. */
export interface Acquirer {
  /**
   * Renews `from`; logs in where it is undefined or too late to be renewed.
   *
   * @throws {InfisicalError} whatever the last of the two attempts threw
   */
  acquire(from: Held | undefined): Promise<Held>
  /** The last failure; undefined once an attempt has succeeded. */
  lastError(): AcquireFailure | undefined
}

/** What an {@link Acquirer} is made of. */
export interface AcquirerOptions {
  readonly transport: Transport
  readonly credentials: Credentials
  readonly clock: Clock
  readonly onEvent: ((event: SessionEvent) => void) | undefined
}

type Since = Pick<Held, 'loggedInAtMs' | 'renewals'>

/** Makes an {@link Acquirer} for one identity. */
export function createAcquirer(options: AcquirerOptions): Acquirer {
  const { transport, credentials, clock, onEvent } = options
  const { method } = credentials
  // The table pairs each name with its own credentials; a lookup by a union loses the pairing.
  const { login } = loginMethods[method] as LoginMethod<Credentials>
  let lastError: AcquireFailure | undefined

  async function measured(
    type: 'login' | 'renew',
    attempt: () => Promise<LoggedIn>,
    since?: Since,
  ): Promise<Held> {
    const askedAtMs = clock.nowMs()
    const took = () => clock.nowMs() - askedAtMs
    const acquired = await attempt().catch((error: unknown) => {
      if (isInfisicalError(error)) {
        const { code, message } = error
        lastError = { code, message, at: Math.floor(clock.nowMs() / 1000) }
        onEvent?.({ type: `${type}_failed`, method, outcome: code, ms: took() })
      }
      throw error
    })
    lastError = undefined
    onEvent?.({ type, method, outcome: 'ok', ms: took() })
    const times = { askedAtMs, loggedInAtMs: askedAtMs, renewals: 0, ...since }
    return { ...acquired, ...times, endMs: grantEndMs(acquired.grant, times) }
  }

  return {
    lastError: () => lastError,
    async acquire(from) {
      const logIn = () => measured('login', () => login(transport, credentials))
      if (!from) return await logIn()
      const { grant, loggedInAtMs, renewals } = from
      try {
        const since = { loggedInAtMs, renewals: renewals + 1 }
        return await measured('renew', () => renewGrant(transport, grant), since)
      } catch (error) {
        const tooLate = isInfisicalError(error, 'token_lost', 'forbidden', 'invalid_request')
        if (!tooLate) throw error
        return await logIn()
      }
    },
  }
}
