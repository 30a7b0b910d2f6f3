import { defineExpected, nowSeconds } from '@keyturn/auth-core'
import type { Chronicle } from './chronicle.ts'
import { type Crowd, createCrowd } from './crowd.ts'
import { createIsolate, createLocation, type Location } from './edge.ts'
import { type Ground, prepareGround, type WorldDeps } from './ground.ts'
import type { Judge } from './judge.ts'
import { createOrigin, type Origin } from './origin.ts'
import { createReader, createSharedCache } from './reader.ts'
import { createRotator, type Wish } from './rotator.ts'
import { CALM } from './scenario.ts'
import type { Store } from './store.ts'
import { createTraffic, type Traffic } from './traffic.ts'
import type { Verifier } from './verifier.ts'
import { createWeather } from './weather.ts'

/** Everything of one run, wired and running. */
export interface World {
  readonly chronicle: Chronicle
  readonly judge: Judge
  readonly traffic: Traffic
  readonly verifiers: readonly Verifier[]
  readonly store: Store
  /** Faults, operators and crowds end; polls, alarms and the schedule of rotations go on. */
  calm(): void
  /** No key turns any more. */
  rest(): void
}

const AUDIENCE = 'https://api.example'
const REGIONS = 4

/** Makes a world in which a keyring has been there for ever, and lets everybody begin. */
export async function createWorld(deps: WorldDeps): Promise<World> {
  const { scenario, random } = deps
  const { policy } = scenario
  let isCalm = false
  const ground = await prepareGround(deps, () => (isCalm ? CALM : scenario.faults))
  const origin = await createOrigin(ground)
  const { verifiers, locations } = createVerifiers(ground, origin)
  const issuers = origin.processes.map(({ issuer }) => issuer)
  const weather = createWeather({
    ...ground,
    random: random.fork('weather'),
    store: origin.store,
    hub: origin.hub,
    issuers,
    locations,
    forgePing: () => forgePing(ground, origin),
  })
  const traffic = createTraffic({
    ...ground,
    policy,
    random: random.fork('traffic'),
    expected: defineExpected({
      issuer: ground.office.issuer,
      audience: AUDIENCE,
      clockTolerance: policy.clockTolerance,
    }),
    mints: origin.processes.map(({ issuer, clock }) => ({ issuer, now: () => nowSeconds(clock) })),
  })
  const crowd = createCrowd({
    ...ground,
    policy,
    random: random.fork('crowd'),
    isolates: verifiers.filter(({ tier }) => tier === 'isolate'),
    readers: verifiers.filter(({ tier }) => tier === 'reader'),
    isolateEviction: scenario.faults.isolateEviction,
    visit: traffic.visit,
  })
  const rotators = startRotators(ground, { origin, crowd })
  return {
    ...ground,
    traffic,
    verifiers,
    store: origin.store,
    rest: rotators.stop,
    calm() {
      isCalm = true
      weather.clear()
      crowd.disperse()
    },
  }
}

function createVerifiers(
  ground: Ground,
  { hub, fetchJwks }: Origin,
): { readonly verifiers: readonly Verifier[]; readonly locations: readonly Location[] } {
  const { clocks, timeline, scenario } = ground
  const { policy } = scenario
  const locations = Array.from({ length: scenario.locations }, (_, index) =>
    createLocation({ ...ground, name: `location-${index}`, clock: clocks.provider(), hub }),
  )
  const caches = Array.from({ length: REGIONS }, () =>
    createSharedCache({ timeline, policy, fetchJwks: () => fetchJwks('origin') }),
  )
  const isolates = locations.flatMap((location, place) =>
    Array.from({ length: share(scenario.isolates, locations.length, place) }, (_, index) =>
      createIsolate({
        ...ground,
        name: `isolate-${place}.${index}`,
        clock: clocks.provider(),
        location,
        clockDifference: policy.clockDifference,
      }),
    ),
  )
  const readers = caches.flatMap((cache, region) =>
    Array.from({ length: share(scenario.readers, caches.length, region) }, (_, index) =>
      createReader({
        ...ground,
        name: `reader-${region}.${index}`,
        policy,
        clock: clocks.machine(),
        cache,
      }),
    ),
  )
  return { verifiers: [...isolates, ...readers], locations }
}

/** How many of `total` fall to one of `parts` places. */
function share(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0)
}

/** Runs each rotator every few minutes, and lets operators wish for something now and then. */
function startRotators(
  ground: Ground,
  { origin, crowd }: { readonly origin: Origin; readonly crowd: Crowd },
): { stop(): void } {
  const { timeline, scenario, clocks, chronicle, office } = ground
  const { policy, interventions } = scenario
  const random = ground.random.fork('operator')
  const wishes: Wish[] = []
  const emergency = {}
  let stopped = false

  /** After each rotation, within the time that the next one takes. */
  function makeWishes(): void {
    for (const wish of ['restore', 'replace', 'revoke'] as const) {
      if (!random.chance(interventions[wish])) continue
      const withinMs = (wish === 'restore' ? 900 : policy.propagationWindow) * 1000
      timeline.after(random.next() * withinMs, () => wishes.push(wish))
    }
  }

  let seen = 0
  for (let index = 0; index < scenario.rotators; index++) {
    const rotator = createRotator({
      ...ground,
      name: `rotator-${index}`,
      issuerUrl: office.issuer,
      policy,
      clock: clocks.machine(),
      random: ground.random.fork(`rotator-${index}`),
      store: origin.store,
      hub: origin.hub,
      issuers: origin.processes.map(({ issuer }) => issuer),
      emergency,
      takeWish: () => wishes.shift(),
      onAboutToWrite: crowd.gather,
    })
    const again = async () => {
      if (stopped) return
      await rotator.run()
      if (chronicle.rotations() > seen) makeWishes()
      seen = chronicle.rotations()
      timeline.after(random.between(20_000, 90_000), again)
    }
    timeline.after(random.next() * 60_000, again)
  }
  return {
    stop() {
      stopped = true
    },
  }
}

/** Somebody without the key asks to deny the key that signs. */
async function forgePing(
  { chronicle, office, post, clocks }: Ground,
  { hub, processes }: Origin,
): Promise<void> {
  const kids = [...chronicle.keys.keys()].slice(-3)
  const data = { issuer: office.issuer, revision: Number.MAX_SAFE_INTEGER, kids }
  const now = nowSeconds(clocks.steady())
  const signed = await office.forger.sign({ type: 'keys.revoked', data }, now)
  for (const { receive } of [hub, ...processes.map(({ issuer }) => issuer)]) {
    await post.deliver(signed, receive)
  }
}
