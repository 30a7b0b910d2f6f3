import {
  AuthError,
  type Clock,
  type LoadedKeys,
  type LoadRequest,
  parseJsonObject,
  parseSnapshot,
  type Snapshot,
} from '@keyturn/auth-core'
import type { Hub } from './hub.ts'
import type { Network } from './network.ts'
import type { Rules } from './rules.ts'
import { ms } from './rules.ts'
import type { Timeline } from './timeline.ts'
import type { Verifier } from './verifier.ts'

const BUCKET_MS = 2_000
const FORCED_BUCKET_MS = 1_000
const CACHED_MS = 4_000

/** One of Cloudflare's locations: isolates behind one cache. */
export interface Location {
  readonly link: string
  /** Answers for a bucket, from its cache or from the hub. */
  snapshot(bucket: number, forced: number | undefined): Promise<Snapshot>
}

/** Makes a location, as KeySnapshot behind Workers Cache works: the bucket is in the cache key. */
export function createLocation(deps: {
  readonly name: string
  readonly timeline: Timeline
  readonly clock: Clock
  readonly network: Network
  readonly hub: Hub
}): Location {
  const { timeline, clock, network, hub } = deps
  const link = `${deps.name}-hub`
  const cached = new Map<string, { readonly snapshot: Snapshot; readonly atMs: number }>()
  let last: { readonly text: string; readonly snapshot: Snapshot } | undefined

  /** One parse for all that read the same text. */
  function parse(text: string): Snapshot {
    if (last?.text !== text) last = { text, snapshot: parseSnapshot(parseJsonObject(text)) }
    return last.snapshot
  }

  return {
    link,
    async snapshot(bucket, forced) {
      const key = `${bucket}/${forced}`
      const hit = cached.get(key)
      if (hit && timeline.nowMs() - hit.atMs < CACHED_MS) return hit.snapshot
      if (bucket > Math.floor(clock.nowMs() / BUCKET_MS) + 1) {
        throw new AuthError('keys_unavailable', 'a bucket is not of the future')
      }
      await network.cross(link)
      const snapshot = parse(await hub.snapshot({ force: forced !== undefined }))
      await timeline.sleep(10)
      for (const [old, { atMs }] of cached) {
        if (timeline.nowMs() - atMs >= CACHED_MS) cached.delete(old)
      }
      cached.set(key, { snapshot, atMs: timeline.nowMs() })
      return snapshot
    },
  }
}

/** Makes an isolate of a location, with the settings of apps/edge (`onPartition: serve`). */
export function createIsolate(deps: {
  readonly name: string
  readonly rules: Rules
  readonly clock: Clock
  readonly location: Location
  readonly clockDifference: number
}): Verifier {
  const { rules, clock, location } = deps

  async function load({ cause }: LoadRequest): Promise<LoadedKeys> {
    const bucket = Math.floor(clock.nowMs() / BUCKET_MS)
    const forced =
      cause === 'unknown_kid' ? Math.floor(clock.nowMs() / FORCED_BUCKET_MS) : undefined
    const { jwks, fetchedAtMs, epoch } = await location.snapshot(bucket, forced)
    return { jwks, fetchedAtMs, epoch, asOfMs: bucket * BUCKET_MS }
  }

  const create = () =>
    rules.createKeySource({
      load,
      clock,
      refreshAfterMs: BUCKET_MS,
      freshForMs: 2 * BUCKET_MS,
      staleForMs: 1_200_000,
      cooldownMs: 1_000,
      unknownKidCooldownMs: FORCED_BUCKET_MS,
      unknownKidMarginMs: 5_000 + ms(deps.clockDifference),
    })
  let source = create()
  return {
    name: deps.name,
    tier: 'isolate',
    link: location.link,
    clock,
    source: () => source,
    evict() {
      source = create()
    },
  }
}
