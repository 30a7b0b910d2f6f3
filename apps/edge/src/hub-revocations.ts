import type { HeldKeys, PublicJwks } from '@keyturn/auth-core'
import type { DeniedKid } from './hub-store.ts'

/** What a document says about the kids that pings revoked. */
export interface DeniedVerdict {
  /** It lists them as revoked: from now on the key source remembers them. */
  readonly confirmed: readonly string[]
  /** It is later than the ping, publishes their keys and does not list them as revoked. */
  readonly lapsed: readonly string[]
}

/** Holds the denied kids against the newest document. The others stay denied. */
export function judgeDenied(denied: readonly DeniedKid[], jwks: PublicJwks): DeniedVerdict {
  const { keys, revoked, revision = 0 } = jwks
  const confirmed = denied.filter(({ kid }) => revoked.includes(kid))
  const lapsed = denied.filter(
    (entry) =>
      revision > entry.revision &&
      !revoked.includes(entry.kid) &&
      keys.some(({ kid }) => kid === entry.kid),
  )
  return { confirmed: confirmed.map(({ kid }) => kid), lapsed: lapsed.map(({ kid }) => kid) }
}

/**
 * The held set as the hub hands it out: the denied kids are revoked in it.
 *
 * They stay out of the key source, whose revocations never end. Isolates forget a revocation with a
 * new epoch only, so the epoch that they see moves with each lapse.
 */
export function layDenied(held: HeldKeys, denied: readonly DeniedKid[], lapses: number): HeldKeys {
  const { jwks, keys } = held.keySet
  const revoked = new Set([...jwks.revoked, ...denied.map(({ kid }) => kid)])
  const keySet = {
    jwks: { ...jwks, revoked: [...revoked].sort() },
    keys: new Map([...keys].filter(([kid]) => !revoked.has(kid))),
    revoked,
  }
  return { ...held, keySet, epoch: held.epoch + lapses }
}
