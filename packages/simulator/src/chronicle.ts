import type { Seconds } from '@keyturn/auth-core'
import { currentKey, type Keyring, nextKey } from '@keyturn/auth-core/signing'
import type { Timeline } from './timeline.ts'

/** What truly became of a key, as nobody in the run knows it. True time, in milliseconds. */
export interface KeyFacts {
  readonly kid: string
  /** Since when the store has published it. */
  readonly publishedAtMs: number
  /** Since when it has been gone from the store. */
  goneAtMs?: number | undefined
  /** The end that is written in it. */
  endsAt?: Seconds | undefined
  /** Since when it has been in /auth/revoked. */
  revokedAtMs?: number
  /** Since when somebody has been asking to deny it. */
  pingedAtMs?: number
  /** Since when the hub has acknowledged that; it may lapse. */
  deniedAtMs?: number | undefined
  /** Since when the hub has handed out that it is revoked. */
  hubKnowsAtMs?: number | undefined
  /** Since when the issuers' shared storage has said so. */
  issuersKnowAtMs?: number
  /** It signs because another key was revoked, whether its time had come or not. */
  emergency: boolean
}

/** Keeps the truth. */
export interface Chronicle {
  facts(kid: string): KeyFacts | undefined
  readonly keys: ReadonlyMap<string, KeyFacts>
  /** The key that signs, as the store has it; the last one where none does. */
  signing(): KeyFacts | undefined
  /** How often the signing key changed. */
  rotations(): number
  /** Takes a keyring that the store holds from now on; the first one has been there for ever. */
  observe(keyring: Keyring): void
  /** Pings begin to ask to deny these kids. */
  pinged(kids: readonly string[]): void
  /** The hub acknowledged it. */
  denied(kids: readonly string[]): void
  /** The kids stand in /auth/revoked from now on. */
  revoked(kids: readonly string[]): void
  hubServes(revoked: ReadonlySet<string>): void
  issuersKnow(revoked: readonly string[]): void
}

/** Makes a chronicle that knows of nothing. */
export function createChronicle(timeline: Timeline): Chronicle {
  const keys = new Map<string, KeyFacts>()
  let before: Keyring | undefined
  let signing: string | undefined
  let rotations = 0
  let servedRevoked: ReadonlySet<string> = new Set()

  function known(kids: readonly string[]): readonly KeyFacts[] {
    return kids.flatMap((kid) => keys.get(kid) ?? [])
  }

  function lapse(kid: string): void {
    const facts = keys.get(kid)
    if (!facts) return
    facts.hubKnowsAtMs = undefined
    facts.deniedAtMs = undefined
  }

  function observe(keyring: Keyring): void {
    const nowMs = timeline.nowMs()
    for (const { kid, jwk } of keyring.keys) {
      const publishedAtMs = before ? nowMs : Number.NEGATIVE_INFINITY
      const facts = keys.get(kid) ?? { kid, publishedAtMs, emergency: false }
      keys.set(kid, facts)
      facts.goneAtMs = undefined
      facts.endsAt = jwk.exp
    }
    const present = new Set(keyring.keys.map(({ kid }) => kid))
    for (const facts of keys.values()) {
      if (!present.has(facts.kid)) facts.goneAtMs ??= nowMs
    }
    const current = currentKey(keyring)?.kid
    if (current !== undefined && current !== signing) {
      const heir = keys.get(current)
      const turned = keys.get(signing ?? '')
      if (turned) rotations += 1
      if (heir && turned?.revokedAtMs !== undefined) heir.emergency = true
      signing = current
    }
    before = keyring
  }

  /** Where the signing key is among them, the next one signs at once. */
  function markSuccessor(kids: readonly string[]): void {
    const current = before && currentKey(before)?.kid
    const next = before && nextKey(before)?.kid
    const heir = current && kids.includes(current) && next ? keys.get(next) : undefined
    if (heir) heir.emergency = true
  }

  return {
    keys,
    facts: (kid) => keys.get(kid),
    signing: () => keys.get(signing ?? ''),
    rotations: () => rotations,
    observe,
    pinged(kids) {
      for (const facts of known(kids)) facts.pingedAtMs ??= timeline.nowMs()
      markSuccessor(kids)
    },
    denied(kids) {
      for (const facts of known(kids)) facts.deniedAtMs ??= timeline.nowMs()
    },
    revoked(kids) {
      for (const facts of known(kids)) facts.revokedAtMs ??= timeline.nowMs()
      markSuccessor(kids)
    },
    hubServes(revoked) {
      for (const facts of known([...revoked])) facts.hubKnowsAtMs ??= timeline.nowMs()
      for (const kid of servedRevoked) if (!revoked.has(kid)) lapse(kid)
      servedRevoked = revoked
    },
    issuersKnow(revoked) {
      for (const facts of known(revoked)) facts.issuersKnowAtMs ??= timeline.nowMs()
    },
  }
}
