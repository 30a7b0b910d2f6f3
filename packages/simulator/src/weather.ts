import type { KeyringSecret } from '@keyturn/auth-core/signing'
import type { Clocks } from './clocks.ts'
import type { Hub } from './hub.ts'
import type { Issuer } from './issuer.ts'
import type { Journal } from './journal.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'
import { ms } from './rules.ts'
import type { Scenario } from './scenario.ts'
import type { Store } from './store.ts'
import type { Timeline } from './timeline.ts'

/** What goes wrong by itself. */
export interface Weather {
  /** From now on nothing goes wrong, and what is wrong ends. */
  clear(): void
}

export interface WeatherDeps {
  readonly scenario: Scenario
  readonly timeline: Timeline
  readonly random: Random
  readonly network: Network
  readonly clocks: Clocks
  readonly journal: Journal
  readonly store: Store
  readonly issuers: readonly Issuer[]
  readonly hub: Hub
  readonly locations: readonly { readonly link: string }[]
  /** Until when something upstream is out of reach: read by the judge. */
  readonly trouble: { untilMs: number }
  /** Somebody without the key sends a ping that would do harm. */
  forgePing(): void
}

type Outage = 'origin' | 'store' | 'hub' | 'broken'

const DAY_MS = 86_400_000
/** How long one process may be cut off: longer than its last tokens and its key's end together. */
const LONGEST_CUT_MS = 10_800_000
const LONGEST_BREAK_MS = 300_000

/** Lets things go wrong as often as the scenario says. */
export function createWeather(deps: WeatherDeps): Weather {
  const { scenario, timeline, random, network, clocks, journal, store, issuers } = deps
  const { faults, policy, longest } = scenario
  const { trouble } = deps
  let isClear = false
  let mend: (() => void) | undefined

  /** Happens `perDay` times a day on average, at times that nothing else determines. */
  function every(perDay: number, happen: () => void): void {
    if (perDay === 0) return
    const wait = () => (-Math.log(1 - random.next()) * DAY_MS) / perDay
    const again = () => {
      if (isClear) return
      happen()
      timeline.after(wait(), again)
    }
    timeline.after(wait(), again)
  }

  /** One outage at a time, and one in a propagation window: O is about their sum. */
  function outage(): void {
    const nowMs = timeline.nowMs()
    if (nowMs < trouble.untilMs + ms(policy.propagationWindow)) return
    const kind = random.pick<Outage>(['origin', 'store', 'hub', 'broken'])
    const most = kind === 'hub' ? longest.hub : longest.outage
    const lengthMs =
      random.next() * (kind === 'broken' ? Math.min(LONGEST_BREAK_MS, ms(most)) : ms(most))
    journal.note(`outage of ${kind} for ${(lengthMs / 1000).toFixed(0)} s`)
    trouble.untilMs = nowMs + lengthMs
    if (kind === 'origin') network.cut('origin', lengthMs)
    if (kind === 'origin' || kind === 'hub') network.cut('hub-origin', lengthMs)
    if (kind === 'store') for (const { name } of issuers) network.cut(`${name}-store`, lengthMs)
    if (kind === 'broken') breakDocument(lengthMs)
  }

  /** One process in trouble at a time, so that there is one that can do its work. */
  function troubleIssuer(): void {
    const issuer = random.pick(issuers)
    const ways = [`${issuer.name}-store`, `${issuer.name}-storage`]
    const isWhole = issuers.every(({ name }) => !network.wasDown(`${name}-store`, LONGEST_CUT_MS))
    const kind = random.pick(['store', 'storage', 'both', 'restart'])
    if (kind === 'restart') {
      if (timeline.nowMs() < trouble.untilMs || !isWhole) return
      journal.note(`${issuer.name} starts anew`)
      void issuer.restart()
    } else if (issuers.length > 1 && isWhole) {
      const lengthMs = random.next() * LONGEST_CUT_MS
      journal.note(`${issuer.name} loses ${kind} for ${(lengthMs / 1000).toFixed(0)} s`)
      if (kind !== 'storage') network.cut(ways[0] ?? '', lengthMs)
      if (kind !== 'store') network.cut(ways[1] ?? '', lengthMs)
    }
  }

  function partition(): void {
    const { link } = random.pick(deps.locations)
    network.cut(link, random.next() * ms(Math.min(longest.outage, 1_200)))
  }

  /** Somebody edits public_jwks by hand, as a Change Request lets people do. */
  function editByHand(): void {
    const document = publicJwks()
    const key = random.pick(document.keys)
    const edits: Readonly<Record<string, () => void>> = {
      reordered: () => void document.keys.reverse(),
      'without iat': () => void delete key.iat,
      'without nbf': () => void (key.exp === undefined && delete key.nbf),
      'without nbf of an ended key': () => void (key.exp !== undefined && delete key.nbf),
    }
    const name = random.pick(Object.keys(edits))
    edits[name]?.()
    journal.note(`public_jwks edited by hand: ${name}`)
    store.write({ public_jwks: JSON.stringify(document, null, 2) })
  }

  /** An edit that breaks an invariant, and its repair: two keys are current, or it is no JSON. */
  function breakDocument(lengthMs: number): void {
    const good = store.newest().stored.secrets.public_jwks ?? ''
    const document = publicJwks()
    for (const key of document.keys) {
      key.nbf ??= key.iat
      delete key.exp
    }
    const { revoked } = store.newest().stored
    const living = document.keys.filter(({ kid }) => !Object.hasOwn(revoked, String(kid)))
    const text = JSON.stringify(document)
    const broken = living.length > 1 && random.chance(0.5) ? text : good.slice(1)
    store.write({ public_jwks: broken })
    mend = () => {
      mend = undefined
      const isUntouched = store.newest().stored.secrets.public_jwks === broken
      if (isUntouched) store.write({ public_jwks: good })
    }
    timeline.after(lengthMs, () => mend?.())
  }

  function publicJwks(): { keys: Record<string, unknown>[] } {
    const text = store.newest().stored.secrets[PUBLIC] ?? '{"keys":[]}'
    // The store's own writing, or a hand edit of it: an object with an array of objects.
    return JSON.parse(text) as { keys: Record<string, unknown>[] }
  }

  every(faults.outages, outage)
  every(faults.issuerTroubles, troubleIssuer)
  every(faults.partitions, partition)
  every(faults.clockJumps, () => clocks.jump())
  every(faults.hubEvictions, () => deps.hub.evict())
  every(faults.forgedPings ? 24 : 0, () => deps.forgePing())
  every(faults.handEdits, () => {
    if (mend === undefined) editByHand()
  })

  return {
    clear() {
      isClear = true
      mend?.()
      trouble.untilMs = Math.min(trouble.untilMs, timeline.nowMs())
      network.heal()
      clocks.correct()
    },
  }
}

const PUBLIC: KeyringSecret = 'public_jwks'
