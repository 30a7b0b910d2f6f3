import type { Seconds } from '@keyturn/auth-core'
import { type KeyStatus, overdueBy, type Policy, statusOf } from '@keyturn/auth-core/signing'
import type { HeldKeys } from '../keys/held-keys.ts'
import type { ReloadResult } from '../keys/reload.ts'
import { describeError } from './log.ts'

/** How the process is logged in to the secret store. */
export interface LoginStatus {
  readonly method: string
  /** The last login; absent without one. */
  readonly since?: Seconds
  /** The end of the present access token; absent where it has none. */
  readonly expiresAt?: Seconds
  readonly renewals: number
  readonly lastError?: { readonly code: string }
}

export interface SecurityHealthInput {
  readonly login: LoginStatus
  readonly keys: HeldKeys | undefined
  readonly lastReload: ReloadResult | undefined
  readonly storeError: unknown
  readonly policy: Policy
  readonly startedAtMs: number
  readonly nowMs: number
}

interface KeyHealth {
  readonly kid: string
  readonly status: KeyStatus
  /** Seconds since the key was staged; absent for a revoked one. */
  readonly age?: Seconds
}

/** The page of /internal/security/health. It holds kids, codes and times, and no secret. */
export function securityHealth(input: SecurityHealthInput): Record<string, unknown> {
  const { login, keys, lastReload, policy, startedAtMs, nowMs } = input
  const now = Math.floor(nowMs / 1000)
  return {
    login: {
      method: login.method,
      since: instant(login.since),
      expires_at: instant(login.expiresAt),
      renewals: login.renewals,
      last_error: login.lastError?.code ?? null,
    },
    keyring: keys
      ? {
          revision: keys.keyring.revision,
          jwks_sha256: keys.digest,
          staleness: stalenessOf(keys, nowMs),
          signing_kid: keys.signer?.jwk.kid ?? null,
          keys: keysHealth(keys, now),
          rotation_overdue_by: overdueBy(keys.keyring, policy, now),
          notes: keys.notes,
          edges: keys.ping.edges.map(({ name }) => name),
        }
      : null,
    last_reload: lastReload
      ? {
          outcome: lastReload.outcome,
          at: instant(lastReload.atMs / 1000),
          error: lastReload.outcome === 'failed' ? errorCode(lastReload.error) : null,
        }
      : null,
    storage: input.storeError === undefined ? 'ok' : 'unavailable',
    uptime: Math.floor((nowMs - startedAtMs) / 1000),
  }
}

/** Seconds since the last good read of the keyring began. */
export function stalenessOf(keys: HeldKeys, nowMs: number): Seconds {
  return Math.max(0, Math.floor((nowMs - keys.readAtMs) / 1000))
}

function keysHealth({ keyring }: HeldKeys, now: Seconds): readonly KeyHealth[] {
  const present = keyring.keys.flatMap(({ kid, jwk }): readonly KeyHealth[] => {
    const status = statusOf(keyring, kid)
    return status ? [{ kid, status, age: Math.max(0, now - (jwk.iat ?? now)) }] : []
  })
  const revoked = keyring.revocations.map(({ kid }) => ({ kid, status: 'revoked' as const }))
  return [...present, ...revoked]
}

function instant(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at * 1000).toISOString()
}

function errorCode(error: unknown): string {
  const { code, name } = describeError(error)
  return code ?? name
}
