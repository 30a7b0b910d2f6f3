import { AuthError } from '../errors.ts'
import {
  currentKey,
  type Keyring,
  type KeyringKey,
  keysWith,
  nextKey,
  type Revocation,
} from '../keyring/keyring.ts'
import type { Seconds } from '../time.ts'
import { type Policy, shortestPropagation } from './policy.ts'

/**
 * One change of a keyring. `fresh` is a key that was generated for the step (`generateFreshKey`).
 *
 * - `stage`: publish a next key; with `replace`, in place of one that is there
 * - `flip`: next signs, current becomes previous, the fresh key is the new next
 * - `retire`: a previous key past its end is gone
 * - `restore`: undo a flip; the previous key signs again, the current one becomes previous
 * - `revoke`: the keys verify no more; where current is among them, next signs at once
 */
export type Step =
  | { readonly verb: 'stage'; readonly fresh: KeyringKey; readonly replace?: boolean }
  | { readonly verb: 'flip'; readonly fresh: KeyringKey }
  | { readonly verb: 'retire'; readonly kid: string }
  | { readonly verb: 'restore' }
  | {
      readonly verb: 'revoke'
      readonly revocations: readonly Revocation[]
      /** The new next key, and with `--all` the new current one before it. */
      readonly fresh: readonly KeyringKey[]
    }

export type Verb = Step['verb']

type StepOf<V extends Verb> = Extract<Step, { verb: V }>
type At = { readonly policy: Policy; readonly now: Seconds }
type Apply<V extends Verb> = (keyring: Keyring, step: StepOf<V>, at: At) => Keyring

const APPLY: { readonly [V in Verb]: Apply<V> } = { stage, flip, retire, restore, revoke }

/**
 * Applies a step. Whether the time for it has come is for `gate` to say; what could never be right
 * is refused here: a second next, a flip without one, a key that comes back, a kid that is reused.
 *
 * @throws {AuthError} `step_refused`
 */
export function apply(keyring: Keyring, step: Step, at: At): Keyring {
  const applyVerb = APPLY[step.verb] as Apply<Verb>
  return applyVerb(keyring, step, at)
}

function stage(keyring: Keyring, { fresh, replace = false }: StepOf<'stage'>): Keyring {
  const next = nextKey(keyring)
  if (next && !replace) throw refused('no next key is there yet', { kid: next.kid })
  return withFresh({ ...keyring, keys: keyring.keys.filter((key) => key !== next) }, fresh)
}

function flip(keyring: Keyring, { fresh }: StepOf<'flip'>, { policy, now }: At): Keyring {
  const current = currentKey(keyring)
  const next = nextKey(keyring)
  if (!current || !next) throw refused('a current and a next key are there')
  const turned = keyring.keys.map((key) => {
    if (key === current) return withTimes(key, { exp: now + policy.overlapWindow })
    if (key === next) return withTimes(key, { nbf: now })
    // Only the latest flip can be undone: older private keys are not kept.
    return { kid: key.kid, jwk: key.jwk }
  })
  return withFresh({ ...keyring, keys: turned }, fresh)
}

function retire(keyring: Keyring, { kid }: StepOf<'retire'>, { now }: At): Keyring {
  const key = keysWith(keyring, 'previous').find((candidate) => candidate.kid === kid)
  if (!key) throw refused('only a previous key is retired', { kid })
  if (now < (key.jwk.exp ?? Number.POSITIVE_INFINITY)) {
    throw refused('no token that the key signed can still be alive', { kid, endsAt: key.jwk.exp })
  }
  return { ...keyring, keys: keyring.keys.filter((candidate) => candidate !== key) }
}

function restore(keyring: Keyring, _step: StepOf<'restore'>, { policy, now }: At): Keyring {
  const current = currentKey(keyring)
  const previous = keysWith(keyring, 'previous').find(({ privateJwk }) => privateJwk)
  if (!current || !previous) throw refused('a previous key with its private half is there')
  if (isRestored(keyring)) throw refused('the last flip was not undone yet', { kid: current.kid })
  // Verifiers that hold an older copy still see the end that the flip wrote.
  const latest = (previous.jwk.exp ?? 0) - shortestPropagation(policy)
  if (now > latest) {
    throw refused('every verifier learns of it before the end that the flip wrote', {
      kid: previous.kid,
      latestAt: latest,
    })
  }
  return {
    ...keyring,
    keys: keyring.keys.map((key) => {
      if (key === current) return withTimes(key, { exp: now + policy.overlapWindow })
      if (key !== previous) return key
      const { exp: _, ...unending } = key.jwk
      return { ...key, jwk: { ...unending, nbf: now } }
    }),
  }
}

/**
 * Whether the last flip was undone: the current key is older than the latest previous one, which a
 * flip never brings about. A second restore would turn the key again.
 */
export function isRestored(keyring: Keyring): boolean {
  const current = currentKey(keyring)
  const [previous] = keysWith(keyring, 'previous')
  if (!current || !previous) return false
  const staged = (current.jwk.iat ?? 0) - (previous.jwk.iat ?? 0)
  // Keys that were staged in one second, as the first two are, stand in the order of their staging.
  return staged === 0 ? keyring.keys.indexOf(current) < keyring.keys.indexOf(previous) : staged < 0
}

function revoke(keyring: Keyring, { revocations, fresh }: StepOf<'revoke'>, { now }: At): Keyring {
  const kids = new Set(revocations.map(({ kid }) => kid))
  const known = revocations.filter(
    ({ kid }) => !keyring.revocations.some((revocation) => revocation.kid === kid),
  )
  let next: Keyring = {
    ...keyring,
    keys: keyring.keys.filter(({ kid }) => !kids.has(kid)),
    revocations: [...keyring.revocations, ...known],
  }
  for (const key of fresh) next = withFresh(promoted(next, now), key)
  return promoted(next, now)
}

/** Where no key signs and a next one is there, it signs. */
function promoted(keyring: Keyring, now: Seconds): Keyring {
  const next = nextKey(keyring)
  if (currentKey(keyring) || !next) return keyring
  return {
    ...keyring,
    keys: keyring.keys.map((key) => (key === next ? withTimes(key, { nbf: now }) : key)),
  }
}

function withFresh(keyring: Keyring, fresh: KeyringKey): Keyring {
  const used = [...keyring.keys, ...keyring.revocations].some(({ kid }) => kid === fresh.kid)
  if (used) throw refused('a kid is never used again', { kid: fresh.kid })
  return { ...keyring, keys: [...keyring.keys, fresh] }
}

function withTimes(key: KeyringKey, times: { nbf?: Seconds; exp?: Seconds }): KeyringKey {
  return { ...key, jwk: { ...key.jwk, ...times } }
}

function refused(message: string, details: Record<string, unknown> = {}): AuthError {
  return new AuthError('step_refused', message, details)
}
