import type { Clock, PublicJwks } from '@keyturn/auth-core'
import type { Policy } from '@keyturn/auth-core/signing'
import { ms, type Rules } from './rules.ts'
import type { Timeline } from './timeline.ts'
import type { Verifier } from './verifier.ts'

/** A cache that many readers share, such as a company's proxy: hands on copies of up to C seconds. */
export interface SharedCache {
  read(): Promise<PublicJwks>
}

/** Makes a cache that is as stale as the policy allows. */
export function createSharedCache(deps: {
  readonly timeline: Timeline
  readonly policy: Policy
  fetchJwks(): Promise<PublicJwks>
}): SharedCache {
  const { timeline, policy } = deps
  let copy: { readonly jwks: PublicJwks; readonly atMs: number } | undefined
  return {
    async read() {
      if (copy && timeline.nowMs() - copy.atMs < ms(policy.sharedCacheAge)) return copy.jwks
      const atMs = timeline.nowMs()
      const jwks = await deps.fetchJwks()
      copy = { jwks, atMs }
      return jwks
    },
  }
}

/** Makes a plain reader of the JWKS, as a Node API is: keeps it for M, and for O more in an outage. */
export function createReader(deps: {
  readonly name: string
  readonly rules: Rules
  readonly policy: Policy
  readonly clock: Clock
  readonly cache: SharedCache
}): Verifier {
  const { rules, policy, clock, cache } = deps
  const freshForMs = ms(policy.jwksMaxAge)
  const create = () =>
    rules.createKeySource({
      async load() {
        const startedAtMs = clock.nowMs()
        return { jwks: await cache.read(), asOfMs: startedAtMs, fetchedAtMs: startedAtMs }
      },
      clock,
      refreshAfterMs: 0.9 * freshForMs,
      freshForMs,
      staleForMs: freshForMs + ms(policy.longestOutage),
      cooldownMs: 5_000,
      unknownKidCooldownMs: 30_000,
      unknownKidMarginMs: 5_000 + ms(policy.clockDifference),
    })
  let source = create()
  return {
    name: deps.name,
    tier: 'reader',
    link: 'origin',
    clock,
    source: () => source,
    evict() {
      source = create()
    },
  }
}
