import { createKeySource, type PublicJwks } from '@keyturn/auth-core'
import { apply, gate, parseKeyring, plan } from '@keyturn/auth-core/signing'
import type { Violation } from '../src/judge.ts'
import type { Rules } from '../src/rules.ts'
import type { Faults, Interventions } from '../src/scenario.ts'

/** A rule that is broken on purpose, and the promises that break with it. */
export interface Mutant {
  readonly name: string
  readonly rules: Partial<Rules>
  readonly breaks: readonly Violation['promise'][]
  /** What has to happen for the rule to matter, in every run. */
  readonly when?: {
    readonly faults?: Partial<Faults>
    readonly interventions?: Partial<Interventions>
  }
}

/** The lead is left out: a key signs as soon as it is there. */
const withoutLead: Partial<Rules> = {
  plan: (keyring, policy, now) => plan(keyring, { ...policy, propagationWindow: 0 }, now),
  gate: (keyring, { policy, ...rest }) =>
    gate(keyring, { ...rest, policy: { ...policy, propagationWindow: 0 } }),
}

/** The retention is left out: a key ends when it stops to sign. */
const withoutRetention: Partial<Rules> = {
  apply: (keyring, step, { policy, now }) =>
    apply(keyring, step, { now, policy: { ...policy, overlapWindow: 1 } }),
}

/** A load adds to what is held and takes nothing away. */
const mergingSource: Rules['createKeySource'] = (options) => {
  const source = createKeySource({
    ...options,
    async load(request) {
      const loaded = await options.load(request)
      return { ...loaded, jwks: merged(loaded.jwks, source.peek()?.keySet.jwks) }
    },
  })
  return source
}

function merged(loaded: PublicJwks, held: PublicJwks | undefined): PublicJwks {
  const kids = new Set(loaded.keys.map(({ kid }) => kid))
  const kept = held?.keys.filter(({ kid }) => !kids.has(kid)) ?? []
  return { ...loaded, keys: [...loaded.keys, ...kept] }
}

/** The entries of /auth/revoked are not joined with the stored set. */
const parseWithoutRevoked: Rules['parseKeyring'] = (stored, now) =>
  parseKeyring({ ...stored, revoked: {} }, now)

/** Each rule, broken. */
export const MUTANTS: readonly Mutant[] = [
  { name: 'the lead', rules: withoutLead, breaks: ['published_before_signing'] },
  {
    name: 'the retention',
    rules: withoutRetention,
    breaks: ['valid_token_accepted', 'ended_key_refused'],
  },
  {
    name: 'replace, not merge',
    rules: { createKeySource: mergingSource },
    breaks: ['withdrawn_key_refused', 'ended_key_refused'],
    when: { interventions: { replace: 1 }, faults: { outages: 0, issuerTroubles: 0 } },
  },
  {
    name: 'the deny list',
    rules: { denied: () => [] },
    breaks: ['revoked_key_refused'],
    when: { interventions: { revoke: 1 }, faults: { rotatorCrash: 0.3 } },
  },
  {
    name: 'the union of revocations',
    rules: { parseKeyring: parseWithoutRevoked },
    breaks: ['revoked_key_refused'],
    when: { interventions: { revoke: 1 }, faults: { rotatorCrash: 0.3, pingLoss: 0.8 } },
  },
  {
    name: 'the gate',
    rules: { gate: async () => [] },
    breaks: ['published_before_signing', 'valid_token_accepted'],
    when: { faults: { outages: 24 } },
  },
  {
    name: 'the acknowledgements that the gate asks for',
    rules: { gate: (keyring, { policy, now }) => gate(keyring, { policy, now, edges: [] }) },
    breaks: ['valid_token_accepted'],
    when: { faults: { outages: 24 } },
  },
  {
    name: 'S of the issuer processes',
    rules: { maySign: () => true },
    breaks: ['valid_token_accepted'],
    when: { faults: { issuerTroubles: 24, outages: 0 } },
  },
]
