import { AuthError } from '../errors.ts'
import { importKeySet, jwksDigest, type KeySet, type PublicJwks } from '../jwks.ts'

/** A key set that is held, and how old the knowledge is. Instants in milliseconds. */
export interface HeldKeys {
  readonly keySet: KeySet
  /** When the set was certainly current: the start of the read, or of the snapshot's bucket. */
  readonly asOfMs: number
  /** When the read of the issuer itself began. A kid missing then, and older, does not exist. */
  readonly fetchedAtMs: number
  /** Since when exactly these keys have been held. */
  readonly sinceMs: number
  /** How many signed resets came before: the one way back to a lower revision. */
  readonly epoch: number
}

/** How far ahead of our clock a revision may be. */
export const MAX_REVISION_AHEAD_MS = 300_000

/** What a load brought. */
export interface LoadedKeys {
  readonly jwks: PublicJwks
  readonly asOfMs: number
  readonly fetchedAtMs: number
  /** Default: that of the held set. */
  readonly epoch?: number
}

/** Why a loaded document did not simply replace the held one. */
export type AcceptAlarm = 'revision_went_back' | 'revision_missing' | 'same_revision_other_keys'

export interface Accepted {
  readonly held: HeldKeys
  readonly alarm?: AcceptAlarm
}

/**
 * Decides what is held after a load.
 *
 * A newer revision replaces the set: what it leaves out is gone. A lower one never does (a stale copy,
 * a replay); the same revision with other keys keeps the held set. Revoked kids of every document
 * that was ever seen stay revoked. A stranger's key set, without revisions, is replaced as it comes.
 * A higher epoch replaces everything, revocations included; a lower one changes nothing.
 *
 * @throws {AuthError} `jwks_invalid` for a revision more than 5 minutes ahead of `nowMs`
 */
export async function accept(
  held: HeldKeys | undefined,
  loaded: LoadedKeys,
  nowMs: number,
): Promise<Accepted> {
  refuseFuture(loaded.jwks, nowMs)
  const epoch = loaded.epoch ?? held?.epoch ?? 0
  if (!held || epoch > held.epoch) {
    const { jwks, asOfMs, fetchedAtMs } = loaded
    return {
      held: { keySet: await importKeySet(jwks), asOfMs, fetchedAtMs, sinceMs: nowMs, epoch },
    }
  }
  if (epoch < held.epoch) return { held, alarm: 'revision_went_back' }
  const mine = held.keySet.jwks
  const revoked = [...new Set([...mine.revoked, ...loaded.jwks.revoked])].sort()
  const same = (await jwksDigest(mine)) === (await jwksDigest(loaded.jwks))
  // A revocation takes its key out of the document before the revision moves.
  const sameButRevoked =
    same || (await digestWithout(mine, revoked)) === (await digestWithout(loaded.jwks, revoked))
  const alarm = alarmOf(mine, loaded.jwks, sameButRevoked)
  if (alarm) return { held: await withRevoked(held, revoked), alarm }
  const keySet = await importKeySet({ ...loaded.jwks, revoked }, held.keySet)
  return {
    held: {
      keySet,
      asOfMs: Math.max(held.asOfMs, loaded.asOfMs),
      fetchedAtMs: Math.max(held.fetchedAtMs, loaded.fetchedAtMs),
      sinceMs: same ? held.sinceMs : nowMs,
      epoch,
    },
  }
}

/** A revision is an instant: one that is ahead of every clock would lock out all that follow. */
function refuseFuture({ revision }: PublicJwks, nowMs: number): void {
  if (revision !== undefined && revision > nowMs + MAX_REVISION_AHEAD_MS) {
    throw new AuthError('jwks_invalid', 'the revision is not more than 5 minutes ahead of us', {
      reason: 'revision_of_the_future',
      revision,
    })
  }
}

function digestWithout({ keys }: PublicJwks, kids: readonly string[]): Promise<string> {
  return jwksDigest({ keys: keys.filter(({ kid }) => !kids.includes(kid)) })
}

function alarmOf(mine: PublicJwks, loaded: PublicJwks, same: boolean): AcceptAlarm | undefined {
  if (mine.revision === undefined) return undefined
  if (loaded.revision === undefined) return 'revision_missing'
  if (loaded.revision < mine.revision) return 'revision_went_back'
  return loaded.revision === mine.revision && !same ? 'same_revision_other_keys' : undefined
}

/** The held set with these kids revoked as well; it does not become any fresher. */
export async function withRevoked(held: HeldKeys, kids: readonly string[]): Promise<HeldKeys> {
  const revoked = [...new Set([...held.keySet.jwks.revoked, ...kids])].sort()
  const keySet = await importKeySet({ ...held.keySet.jwks, revoked }, held.keySet)
  return { ...held, keySet }
}
