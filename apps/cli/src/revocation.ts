import type { Seconds } from '@keyturn/auth-core'
import {
  apply,
  currentKey,
  gate,
  generateFreshKey,
  type Keyring,
  nextKey,
  type Policy,
  statusOf,
} from '@keyturn/auth-core/signing'
import { CliError } from './cli-error.ts'
import { describeRisk } from './obstacles.ts'
import { formatDuration } from './times.ts'

/** Which keys a command is asked to revoke. */
export type Wanted = { readonly all: true } | { readonly all: false; readonly kid: string }

/** What a revocation has to do. */
export interface Target {
  /** Whom pings name: the wanted keys, and those of a revocation that was cut off. */
  readonly kids: readonly string[]
  /** Of these, the ones that Infisical does not list as revoked yet. */
  readonly fresh: readonly string[]
  /** Whether nothing is left to do: the key is revoked, and no step is missing. */
  readonly done: boolean
}

/**
 * Finds what a revocation has to do. A key that is revoked and still in the public set is what a
 * command leaves that was cut off, or somebody who wrote to /auth/revoked by hand.
 *
 * @throws {CliError} refused: `unknown_kid`; `no_next_key` where nothing could sign afterwards
 */
export function findTarget(keyring: Keyring, wanted: Wanted): Target {
  const published = keyring.keys.map(({ kid }) => kid)
  const unfinished = published.filter((kid) => statusOf(keyring, kid) === 'revoked')
  if (!wanted.all) refuseUnknown(keyring, wanted.kid)
  const kids = wanted.all ? published : [...new Set([wanted.kid, ...unfinished])]
  const fresh = kids.filter((kid) => statusOf(keyring, kid) !== 'revoked')
  if (!wanted.all) refuseWithoutSuccessor(keyring, fresh)
  return { kids, fresh, done: fresh.length === 0 && unfinished.length === 0 }
}

function refuseUnknown(keyring: Keyring, kid: string): void {
  if (statusOf(keyring, kid)) return
  const known = keyring.keys.map((key) => `${key.kid} (${statusOf(keyring, key.kid)})`)
  throw new CliError('refused', 'unknown_kid', `there is no key ${kid}, and nothing changed`, {
    why: known.map((each) => `there is ${each}`),
    next: ['keyturn keys status'],
    data: { kid, known: keyring.keys.map((key) => key.kid) },
  })
}

function refuseWithoutSuccessor(keyring: Keyring, fresh: readonly string[]): void {
  const current = currentKey(keyring)?.kid
  if (current === undefined || !fresh.includes(current) || nextKey(keyring)) return
  throw new CliError('refused', 'no_next_key', `${current} signs, and no next key is there`, {
    why: ['nothing could sign in its place, and nothing changed'],
    next: ['keyturn keys revoke --all, which makes fresh keys, or keyturn keys stage before it'],
    data: { kid: current },
  })
}

/** Takes what is revoked out of a keyring, and fills what is missing of current and next key. */
export async function takeOutRevoked(
  keyring: Keyring,
  at: { readonly policy: Policy; readonly now: Seconds },
): Promise<Keyring> {
  const { revocations } = keyring
  const left = apply(keyring, { verb: 'revoke', revocations, fresh: [] }, at)
  const missing = [currentKey(left), nextKey(left)].filter((key) => key === undefined)
  const fresh = await Promise.all(missing.map(() => generateFreshKey(at.policy.alg, at.now)))
  return apply(keyring, { verb: 'revoke', revocations, fresh }, at)
}

/** What follows from revoking keys, for whoever has to decide about it. */
export interface Consequences {
  /** One sentence for each key. */
  readonly effects: readonly string[]
  /** Who will refuse valid tokens, and for how long. */
  readonly risks: readonly string[]
}

/** Says what follows from revoking the keys of a target. */
export async function foresee(
  keyring: Keyring,
  { kids, fresh }: Target,
  { policy, now }: { readonly policy: Policy; readonly now: Seconds },
): Promise<Consequences> {
  const [current, next] = [currentKey(keyring)?.kid, nextKey(keyring)?.kid]
  const turns = current !== undefined && fresh.includes(current)
  const successor = next !== undefined && fresh.includes(next) ? 'a fresh key' : next
  const effects = kids.map((kid) => {
    if (!fresh.includes(kid)) return `${kid} is revoked already, and still in the key set`
    if (kid === current) return `${kid} signs now; ${successor} signs in its place at once`
    if (kid === next) return `${kid} is the next key; a fresh one takes its place`
    return `${kid} is a previous key, which verifies until it ends`
  })
  if (!turns) return { effects, risks: [] }
  if (successor !== next) return { effects, risks: [describeFreshKeys(policy)] }
  const obstacles = await gate(keyring, { policy, edges: [], now })
  const facts = { policy, now, problems: new Map<string, string>() }
  return { effects, risks: obstacles.map((each) => describeRisk(each, facts)) }
}

/** How old a copy of the JWKS may be at its last reader, where the origin answers: M + C. */
export function oldestCopy({ jwksMaxAge, sharedCacheAge }: Policy): Seconds {
  return jwksMaxAge + sharedCacheAge
}

function describeFreshKeys(policy: Policy): string {
  const [maxAge, longest] = [policy.jwksMaxAge, oldestCopy(policy)].map(formatDuration)
  return `caches elsewhere (plain readers of the JWKS, max-age ${maxAge}) refuse every new token for up to ${longest}`
}
