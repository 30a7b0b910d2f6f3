import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { PingOutcome } from '../keys/pings.ts'
import type { ReloadResult, ReloadTrigger } from '../keys/reload.ts'
import type { OAuthErrorCode } from '../wire-errors.ts'

/** How a delivery of Infisical's webhook ended. */
export type DeliveryOutcome = 'reloaded' | 'replayed' | 'test' | 'refused' | 'failed'

/** Everything that is counted, as verbs, and the registry that /metrics prints. */
export interface Metrics {
  readonly registry: Registry
  login(method: string, outcome: string, ms: number): void
  reload(trigger: ReloadTrigger, outcome: ReloadResult['outcome']): void
  tokenIssued(grant: string): void
  tokenRefused(error: OAuthErrorCode): void
  delivery(outcome: DeliveryOutcome): void
  ping(outcome: PingOutcome): void
  request(request: { method: string; route: string; status: number; ms: number }): void
}

/**
 * Makes the metrics in a registry of their own. `staleness` answers the seconds since the last good
 * read of the keyring when it is asked for; NaN before the first.
 */
export function createMetrics({ staleness }: { readonly staleness: () => number }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[]) =>
    new Counter({ name, help, labelNames, registers })
  const logins = counter('infisical_auth_login_total', 'Logins to Infisical', ['method', 'outcome'])
  const loginSeconds = new Histogram({
    name: 'infisical_auth_login_duration_seconds',
    help: 'How long logins to Infisical took',
    labelNames: ['method'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const checks = counter(
    'infisical_auth_health_check_total',
    'Reads that proved the login to Infisical, or failed to',
    ['outcome'],
  )
  const reloads = counter('keyturn_reloads_total', 'Reads of the keyring', ['outcome', 'trigger'])
  const issued = counter('keyturn_tokens_issued_total', 'Tokens issued', ['grant'])
  const refused = counter('keyturn_token_refusals_total', 'Token requests refused', ['error'])
  const deliveries = counter('keyturn_webhook_deliveries_total', 'Webhooks received', ['outcome'])
  const pings = counter('keyturn_pings_sent_total', 'Pings sent to edges', ['outcome'])
  const requestSeconds = new Histogram({
    name: 'keyturn_http_request_duration_seconds',
    help: 'How long requests took',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  new Gauge({
    name: 'keyturn_keyring_staleness_seconds',
    help: 'Seconds since the last good read of the keyring',
    registers,
    collect() {
      this.set(staleness())
    },
  })
  return {
    registry,
    login(method, outcome, ms) {
      logins.inc({ method, outcome })
      loginSeconds.observe({ method }, ms / 1000)
    },
    reload(trigger, outcome) {
      reloads.inc({ trigger, outcome })
      checks.inc({ outcome: outcome === 'failed' ? 'failed' : 'ok' })
    },
    tokenIssued: (grant) => issued.inc({ grant }),
    tokenRefused: (error) => refused.inc({ error }),
    delivery: (outcome) => deliveries.inc({ outcome }),
    ping: (outcome) => pings.inc({ outcome }),
    request: ({ method, route, status, ms }) =>
      requestSeconds.observe({ method, route, status }, ms / 1000),
  }
}
