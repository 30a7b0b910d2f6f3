import {
  type Acknowledgement,
  AuthError,
  type Clock,
  jwksDigest,
  nowSeconds,
  type Seconds,
} from '@keyturn/auth-core'
import {
  type Answer,
  currentKey,
  type Due,
  formatKeyring,
  type Keyring,
  type KeyringKey,
  type KeyringSecret,
  keysWith,
  nextKey,
  type Policy,
  publishJwks,
  type Step,
} from '@keyturn/auth-core/signing'
import type { Chronicle } from './chronicle.ts'
import type { Hub } from './hub.ts'
import type { Issuer } from './issuer.ts'
import type { Journal } from './journal.ts'
import type { KeyPool } from './key-pool.ts'
import type { Library } from './library.ts'
import type { Post } from './posting.ts'
import type { Random } from './random.ts'
import type { Rules } from './rules.ts'
import type { Faults } from './scenario.ts'
import type { Store, StoreState } from './store.ts'
import type { Timeline } from './timeline.ts'

/** What an operator wants beside the schedule. */
export type Wish = 'restore' | 'replace' | 'revoke'

/** A scheduled job that turns keys, as `keyturn keys auto` does. */
export interface Rotator {
  /** Runs the job once. One that was cut off is finished by the next run. */
  run(): Promise<void>
}

export interface RotatorDeps {
  readonly name: string
  readonly issuerUrl: string
  readonly rules: Rules
  readonly policy: Policy
  readonly timeline: Timeline
  readonly clock: Clock
  readonly random: Random
  readonly faults: () => Faults
  readonly store: Store
  readonly library: Library
  readonly pool: KeyPool
  readonly post: Post
  readonly issuers: readonly Issuer[]
  readonly hub: Hub
  readonly chronicle: Chronicle
  readonly journal: Journal
  /** Takes the next wish of an operator, if there is one. */
  takeWish(): Wish | undefined
  /** Who is revoking: shared by all, since operators speak with one another in an emergency. */
  readonly emergency: { kids?: readonly string[] | undefined }
  /** Before a step: traffic gathers around the moments that matter. */
  onAboutToWrite(): void
}

/** How often somebody is asked who does not answer. */
const ATTEMPTS = 3

/** How long a job that was killed may be gone. */
const LONGEST_ABSENCE_MS = 1_800_000

/** The process ends here, between two instructions. */
class Killed extends Error {}

interface Read {
  readonly state: StoreState
  readonly keyring: Keyring
}

/** Makes a rotator. */
export function createRotator(deps: RotatorDeps): Rotator {
  const { rules, policy, timeline, clock, random, store, library, journal, chronicle } = deps
  let isRunning = false
  let wasInterrupted = false
  const { emergency } = deps

  const now = (): Seconds => nowSeconds(clock)
  const at = () => ({ policy, now: now() })

  function mayBeKilled(): void {
    if (random.chance(deps.faults().rotatorCrash)) throw new Killed('killed')
  }

  async function read(): Promise<Read> {
    await timeline.sleep(random.between(20, 200))
    const state = store.read()
    return { state, keyring: (await library.parse(state)).keyring }
  }

  /** Compares, writes, reads back: the store has no compare-and-set. */
  async function write({ state }: Read, after: Keyring, verb: string): Promise<void> {
    mayBeKilled()
    const present = store.read()
    if (!isSame(state.versions, present.versions)) throw moved()
    const wanted = formatKeyring(after)
    const changed = changes(present.stored.secrets, wanted)
    await timeline.sleep(random.between(20, 200))
    mayBeKilled()
    store.write(changed)
    journal.note(`${deps.name} wrote ${verb}`)
    mayBeKilled()
    await timeline.sleep(random.between(20, 200))
    const back = await read()
    if (Object.entries(changed).some(([name, value]) => isOther(back.state, name, value))) {
      throw moved()
    }
    await announce(back.keyring)
  }

  async function announce(keyring: Keyring): Promise<readonly Answer[]> {
    const data = {
      issuer: deps.issuerUrl,
      revision: keyring.revision,
      jwks_sha256: await jwksDigest(publishJwks(keyring)),
    }
    const ping = { type: 'keys.changed', data } as const
    return await Promise.all(
      [...deps.issuers, { name: 'hub', receive: deps.hub.receive }].map(
        async ({ name, receive }) => {
          let acknowledgement: Acknowledgement | undefined
          for (let attempt = 0; attempt < ATTEMPTS && !acknowledgement; attempt++) {
            acknowledgement = await deps.post.send(ping, receive, clock)
          }
          return { name, ...(acknowledgement && { acknowledgement }) }
        },
      ),
    )
  }

  async function takeStep(before: Read, step: Step): Promise<void> {
    await write(before, rules.apply(before.keyring, step, at()), step.verb)
  }

  const fresh = (): Promise<KeyringKey> => deps.pool.take(now())

  async function flip(): Promise<void> {
    const before = await read()
    const answers = await announce(before.keyring)
    const edges = answers.filter(({ name }) => name === 'hub')
    const obstacles = await rules.gate(before.keyring, { policy, edges, now: now() })
    if (obstacles.length > 0) {
      return journal.note(`${deps.name} found the gate closed: ${obstacles[0]?.reason}`)
    }
    await takeStep(before, { verb: 'flip', fresh: await fresh() })
  }

  /** Answers whether it was done: a process that is cut off holds it up, and must hold up nothing else. */
  async function retire(kid: string): Promise<boolean> {
    const before = await read()
    const answers = await announce(before.keyring)
    const issuers = answers.filter(({ name }) => name !== 'hub')
    if (rules.retireObstacles(before.keyring, issuers).length > 0) return false
    await takeStep(before, { verb: 'retire', kid })
    return true
  }

  async function follow(due: Due | undefined, keyring: Keyring): Promise<void> {
    if (due?.verb === 'stage') await takeStep(await read(), { verb: 'stage', fresh: await fresh() })
    if (due?.verb === 'flip') await flip()
    if (due?.verb !== 'retire' || (await retire(due.kid))) return
    const others = keyring.keys.filter(({ kid }) => kid !== due.kid)
    const rest = { ...keyring, keys: others }
    await follow(rules.plan(rest, policy, now()), rest)
  }

  /** Pings first, then /auth/revoked, then the step: each may be the last thing that it does. */
  async function revoke(kids: readonly string[]): Promise<void> {
    emergency.kids = kids
    const before = await read()
    journal.note(`${deps.name} revokes ${kids.join(' ')}`)
    await denyEverywhere(kids, before.keyring.revision)
    mayBeKilled()
    const reason = 'leaked'
    for (const kid of kids) {
      store.revoke(kid, JSON.stringify({ at: now(), reason }))
      chronicle.revoked([kid])
      mayBeKilled()
    }
    const { state, keyring } = await read()
    const revocations = kids.map((kid) => ({ kid, at: now(), reason }))
    const bare = rules.apply(keyring, { verb: 'revoke', revocations, fresh: [] }, at())
    const missing = [currentKey(bare), nextKey(bare)].filter((key) => key === undefined).length
    const keys =
      missing === 2 ? [await fresh(), await fresh()] : missing === 1 ? [await fresh()] : []
    await takeStep({ state, keyring }, { verb: 'revoke', revocations, fresh: keys })
    emergency.kids = undefined
  }

  async function denyEverywhere(kids: readonly string[], revision: number): Promise<void> {
    chronicle.pinged(kids)
    const ping = { type: 'keys.revoked', data: { issuer: deps.issuerUrl, revision, kids } } as const
    const issuers = deps.issuers.map(({ receive }) => deps.post.send(ping, receive, clock))
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (!(await deps.post.send(ping, deps.hub.receive, clock))) continue
      chronicle.denied(kids)
      break
    }
    await Promise.all(issuers)
  }

  async function grant(wish: Wish, keyring: Keyring): Promise<void> {
    const current = currentKey(keyring)?.kid
    const next = nextKey(keyring)?.kid
    const previous = keysWith(keyring, 'previous')[0]?.kid
    const choices = [[current], [current], [next], [previous], [current, next]]
    switch (wish) {
      case 'restore':
        return await takeStep(await read(), { verb: 'restore' })
      case 'replace':
        return await takeStep(await read(), { verb: 'stage', fresh: await fresh(), replace: true })
      case 'revoke': {
        const kids = random.pick(choices).filter((kid) => kid !== undefined)
        if (kids.length > 0) await revoke(kids)
      }
    }
  }

  async function runOnce(): Promise<void> {
    const { keyring } = await read()
    if (emergency.kids) return await revoke(emergency.kids)
    if (wasInterrupted) await announce(keyring)
    wasInterrupted = false
    const wish = deps.takeWish()
    const due = rules.plan(keyring, policy, now())
    if (!wish && !due) return
    deps.onAboutToWrite()
    await timeline.sleep(random.between(500, 6_000))
    await (wish ? grant(wish, keyring) : follow(due, keyring))
  }

  return {
    async run() {
      if (isRunning) return
      isRunning = true
      try {
        await runOnce()
      } catch (error) {
        if (!(error instanceof Killed) && !(error instanceof AuthError)) throw error
        journal.note(`${deps.name} stopped: ${error.message}`)
        wasInterrupted = true
        // Somebody has to notice, and run it again.
        if (error instanceof Killed) await timeline.sleep(random.next() * LONGEST_ABSENCE_MS)
      } finally {
        isRunning = false
      }
    },
  }
}

function changes(
  present: StoreState['stored']['secrets'],
  wanted: Readonly<Record<KeyringSecret, string>>,
): Partial<Record<KeyringSecret, string>> {
  // Always the public set, whose time is the revision.
  return Object.fromEntries(
    Object.entries(wanted).filter(
      ([name, value]) => name === 'public_jwks' || present[name as KeyringSecret] !== value,
    ),
  )
}

function isSame(a: StoreState['versions'], b: StoreState['versions']): boolean {
  return Object.entries(a).every(([name, version]) => b[name as KeyringSecret] === version)
}

function isOther({ stored }: StoreState, name: string, value: string): boolean {
  return stored.secrets[name as KeyringSecret] !== value
}

function moved(): AuthError {
  return new AuthError('step_refused', 'nobody else writes at the same time')
}
