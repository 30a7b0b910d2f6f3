import { createVerifiedCache, type Expected, nowSeconds, type Seconds } from '@keyturn/auth-core'
import { createSigner, type Policy, type Signer, signAccessToken } from '@keyturn/auth-core/signing'
import type { Chronicle } from './chronicle.ts'
import type { Issuer } from './issuer.ts'
import type { Journal } from './journal.ts'
import type { Judge, KnownToken } from './judge.ts'
import type { KeyPool } from './key-pool.ts'
import type { Random } from './random.ts'
import { ms } from './rules.ts'
import type { Timeline } from './timeline.ts'
import { type Verdict, type Verifier, verifyAt } from './verifier.ts'

/** An issuer process and its clock. */
export interface Mint {
  readonly issuer: Issuer
  readonly now: () => Seconds
}

/** Tokens, honest and stolen, presented to verifiers. */
export interface Traffic {
  /** A verifier gets the newest token of some issuer, an older one, and sometimes a stolen one. */
  visit(verifier: Verifier): Promise<void>
  /** The newest token of some issuer, judged at once; the verdict, or `undefined` without a token. */
  presentNewest(verifier: Verifier): Promise<Verdict | undefined>
}

export interface TrafficDeps {
  readonly policy: Policy
  readonly expected: Expected
  readonly timeline: Timeline
  readonly random: Random
  readonly mints: readonly Mint[]
  readonly pool: KeyPool
  readonly chronicle: Chronicle
  readonly judge: Judge
  readonly journal: Journal
}

const REMEMBERED_TOKENS = 48
const REMEMBERED_KIDS = 12

/** Makes traffic without any token yet. */
export function createTraffic(deps: TrafficDeps): Traffic {
  const { policy, expected, timeline, random, mints, pool, chronicle, judge, journal } = deps
  const book = createVerifiedCache({ maxEntries: 4 * REMEMBERED_TOKENS })
  const newest = new Map<Mint, KnownToken & { readonly mintedAtMs: number }>()
  let older: readonly KnownToken[] = []
  const stolen = new Map<string, KnownToken & { readonly mintedAtMs: number }>()
  const thieves = new Map<string, Signer>()
  let invented: string | undefined
  let count = 0

  function isRecent({ mintedAtMs }: { readonly mintedAtMs: number }): boolean {
    return timeline.nowMs() - mintedAtMs < ms(policy.accessTokenTtl) / 2
  }

  /** One token of an issuer serves for half of its life, as one of a client does. */
  async function mint(from: Mint): Promise<KnownToken | undefined> {
    const signer = await from.issuer.signer()
    if (!signer) return undefined
    judge.minted(signer.jwk.kid)
    const known = newest.get(from)
    if (known && isRecent(known) && known.kid === signer.jwk.kid) return known
    const claims = claimsAt(from.now())
    const token = {
      text: await signAccessToken(signer, claims),
      kid: signer.jwk.kid,
      exp: claims.exp,
      mintedAtMs: timeline.nowMs(),
    }
    journal.note(`${from.issuer.name} minted under ${token.kid}`)
    newest.set(from, token)
    remember(token)
    return token
  }

  function remember(token: KnownToken): void {
    const overAt = timeline.nowMs() / 1000 - 2 * policy.clockDifference - policy.clockTolerance
    const living = older.filter(({ exp }) => exp > overAt)
    older = [...living, token].slice(-REMEMBERED_TOKENS)
  }

  function claimsAt(now: Seconds) {
    count += 1
    return {
      iss: expected.issuer,
      sub: 'client:simulated',
      aud: expected.audience[0] ?? '',
      exp: now + policy.accessTokenTtl,
      iat: now,
      jti: String(count),
      client_id: 'simulated',
    }
  }

  /** A fresh token under a key whose private half leaked, or which never was published. */
  async function steal(): Promise<KnownToken | undefined> {
    const gone = [...chronicle.keys.values()]
      .slice(-REMEMBERED_KIDS)
      .filter(
        ({ endsAt, goneAtMs, pingedAtMs }) => (endsAt ?? goneAtMs ?? pingedAtMs) !== undefined,
      )
      .map(({ kid }) => kid)
    const now = Math.floor(timeline.nowMs() / 1000)
    invented ??= (await pool.take(now)).kid
    const kid = random.pick([...gone, invented])
    const known = stolen.get(kid)
    if (known && isRecent(known)) return known
    const key = pool.stolen(kid)
    if (!key?.privateJwk) return undefined
    const claims = claimsAt(now)
    const signer = thieves.get(kid) ?? (await createSigner(key.privateJwk, key.jwk))
    thieves.set(kid, signer)
    const text = await signAccessToken(signer, claims)
    const token = { text, kid, exp: claims.exp, mintedAtMs: timeline.nowMs() }
    stolen.set(kid, token)
    return token
  }

  async function present(verifier: Verifier, token: KnownToken): Promise<Verdict> {
    const now = nowSeconds(verifier.clock)
    const verdict = await verifyAt(verifier, token.text, { book, expected })
    journal.note(`${verifier.name} ${token.kid} ${verdict}`)
    judge.honest(verifier, token, { verdict, now })
    return verdict
  }

  async function presentNewest(verifier: Verifier): Promise<Verdict | undefined> {
    const token = await mint(random.pick(mints))
    return token && (await present(verifier, token))
  }

  return {
    presentNewest,
    async visit(verifier) {
      await presentNewest(verifier)
      if (older.length > 0) await present(verifier, random.pick(older))
      if (!random.chance(0.4)) return
      const token = await steal()
      if (!token) return
      const verdict = await verifyAt(verifier, token.text, { book, expected })
      journal.note(`${verifier.name} stolen ${token.kid} ${verdict}`)
      judge.hostile(verifier, token.kid, verdict)
    },
  }
}
