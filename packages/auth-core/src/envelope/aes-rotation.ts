import type { Seconds } from '../time.ts'
import { checkEncryptionKeys, type EncryptionKeys } from './encryption-keys.ts'
import { EnvelopeError } from './envelope-error.ts'
import { ENCRYPTIONS_DUE } from './usage.ts'

/** How long a key encrypts before it is due to turn. */
export const AES_ROTATION_AGE: Seconds = 90 * 86_400

/** How long a process that turned may still be writing what it sealed before. */
export const WRITE_SETTLING_AGE: Seconds = 60

/** What storage knows of a kid. Absent: it never encrypted. */
export interface AesKidUse {
  readonly encryptions: number
  /** Records under the kid, counted after the processes were asked. */
  readonly rows: number
  /** When a process first saw it as the active kid. Absent: it never was. */
  readonly activeAt?: Seconds
}

/**
 * What a live process reports. One that went silent counts as live for `WRITE_SETTLING_AGE` after its
 * last report, since what it was writing may still arrive.
 */
export interface AesProcess {
  readonly name: string
  readonly kids: readonly string[]
  readonly activeKid: string
  /** Since when it encrypts under `activeKid`, by the clock of storage. */
  readonly activeKidSinceAt: Seconds
}

/** All that decides over AES keys. */
export interface AesState {
  readonly keys: EncryptionKeys
  readonly uses: ReadonlyMap<string, AesKidUse>
  readonly processes: readonly AesProcess[]
}

/** One reason why a step has to wait. */
export type AesObstacle =
  | { readonly reason: 'not_held'; readonly name: string }
  | { readonly reason: 'still_encrypts'; readonly name: string }
  | { readonly reason: 'settling'; readonly name: string; readonly wait: Seconds }
  | { readonly reason: 'rows_left'; readonly rows: number }

/** A step that is due. It may be taken when no obstacle is left. */
export type AesDue = { readonly obstacles: readonly AesObstacle[] } & (
  | { readonly verb: 'add' }
  | { readonly verb: 'activate'; readonly kid: string }
  | { readonly verb: 'rewrap'; readonly kid: string }
  | { readonly verb: 'remove'; readonly kid: string }
)

/**
 * Everything that is due at `now`, most urgent first: a key that reached the rotation age or 2^31
 * encryptions turns (add a key, then make it active once every process holds it); rows under kids that
 * were active before are rewrapped, and such a kid leaves when none is left. A key that was added and
 * never active stays.
 */
export function aesPlan(
  state: AesState,
  {
    now,
    rotationAge = AES_ROTATION_AGE,
  }: { readonly now: Seconds; readonly rotationAge?: Seconds },
): readonly AesDue[] {
  const { keys, uses } = state
  const former = [...keys.keys.keys()].filter(
    (kid) => kid !== keys.activeKid && uses.get(kid)?.activeAt !== undefined,
  )
  return [...turn(state, { now, rotationAge }), ...former.map((kid) => leave(state, kid, now))]
}

function turn(
  state: AesState,
  { now, rotationAge }: { readonly now: Seconds; readonly rotationAge: Seconds },
): readonly AesDue[] {
  const { keys, processes, uses } = state
  const { activeAt = now, encryptions = 0 } = uses.get(keys.activeKid) ?? {}
  if (now < activeAt + rotationAge && encryptions < ENCRYPTIONS_DUE) return []
  const added = [...keys.keys.keys()].find(
    (kid) => kid !== keys.activeKid && uses.get(kid)?.activeAt === undefined,
  )
  if (added === undefined) return [{ verb: 'add', obstacles: [] }]
  return [{ verb: 'activate', kid: added, obstacles: activationObstacles(added, processes) }]
}

function leave(state: AesState, kid: string, now: Seconds): AesDue {
  const rows = state.uses.get(kid)?.rows ?? 0
  if (rows > 0) return { verb: 'rewrap', kid, obstacles: [] }
  return { verb: 'remove', kid, obstacles: removalObstacles(state, kid, now) }
}

/** Why a kid may not encrypt yet: processes that could not read what it seals. */
export function activationObstacles(
  kid: string,
  processes: readonly AesProcess[],
): readonly AesObstacle[] {
  return processes
    .filter(({ kids }) => !kids.includes(kid))
    .map(({ name }) => ({ reason: 'not_held', name }))
}

/** Why a kid may not leave yet: rows under it, and processes that may still add some. */
export function removalObstacles(
  { processes, uses }: AesState,
  kid: string,
  now: Seconds,
): readonly AesObstacle[] {
  const rows = uses.get(kid)?.rows ?? 0
  const left: readonly AesObstacle[] = rows > 0 ? [{ reason: 'rows_left', rows }] : []
  const encrypting = processes.flatMap(
    ({ name, activeKid, activeKidSinceAt }): readonly AesObstacle[] => {
      if (activeKid === kid) return [{ reason: 'still_encrypts', name }]
      const wait = activeKidSinceAt + WRITE_SETTLING_AGE - now
      return wait > 0 ? [{ reason: 'settling', name, wait }] : []
    },
  )
  return [...left, ...encrypting]
}

/** One change of the AES keys. */
export type AesStep =
  | { readonly verb: 'add'; readonly kid: string; readonly key: Uint8Array<ArrayBuffer> }
  | { readonly verb: 'activate'; readonly kid: string }
  | { readonly verb: 'remove'; readonly kid: string }

/**
 * Applies a step to AES keys. Whether its time has come is for `aesPlan` to say; what could never be
 * right is refused here.
 *
 * @throws {EnvelopeError} `aes_step_refused` for a kid that is there already, or not there, or active;
 *   `encryption_keys_invalid` for a key that is malformed or there under another kid
 */
export function applyAesStep(keys: EncryptionKeys, step: AesStep): EncryptionKeys {
  const { kid } = step
  if (keys.keys.has(kid) === (step.verb === 'add')) {
    throw refused(step.verb === 'add' ? 'a kid is added once' : 'the kid is there', kid)
  }
  if (step.verb === 'activate') return checkEncryptionKeys({ ...keys, activeKid: kid })
  if (step.verb === 'add') {
    return checkEncryptionKeys({ ...keys, keys: new Map([...keys.keys, [kid, step.key]]) })
  }
  if (kid === keys.activeKid) throw refused('the active kid stays', kid)
  return { ...keys, keys: new Map([...keys.keys].filter(([other]) => other !== kid)) }
}

/**
 * Refuses AES keys that are older than what storage has seen: an active kid that was followed by
 * another one (an old version, or active and previous swapped), or a kid that is missing while records
 * stand under it. A process keeps what it holds then; one that starts does not start. To leave a key
 * in a hurry one adds a fresh one: going back is never the way.
 *
 * @throws {EnvelopeError} `encryption_keys_outdated`
 */
export function refuseOutdatedKeys(
  { activeKid, keys }: EncryptionKeys,
  uses: ReadonlyMap<string, AesKidUse>,
): void {
  const activeAt = uses.get(activeKid)?.activeAt ?? Number.POSITIVE_INFINITY
  for (const [kid, use] of uses) {
    if (use.rows > 0 && !keys.has(kid)) {
      throw new EnvelopeError('encryption_keys_outdated', 'a kid with records is there', { kid })
    }
    if ((use.activeAt ?? 0) > activeAt) {
      throw new EnvelopeError('encryption_keys_outdated', 'active_kid never goes back', {
        kid: activeKid,
        latest: kid,
      })
    }
  }
}

function refused(message: string, kid: string): EnvelopeError {
  return new EnvelopeError('aes_step_refused', message, { kid })
}
