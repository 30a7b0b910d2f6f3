import { nowSeconds, type Seconds } from '@keyturn/auth-core'
import {
  createPingSigner,
  definePolicy,
  type Keyring,
  type Policy,
  type Revocation,
  type Verb,
} from '@keyturn/auth-core/signing'
import type { KeyringRead, RegisteredEdge } from '@keyturn/infisical'
import type { Context } from './context.ts'
import type { Delivery, PropagationOptions } from './deliver.ts'
import { type Denial, denyEverywhere } from './denials.ts'
import { judge, propagate, recipientsOf, type Verdict } from './propagate.ts'

/** The keyring as it was read, and what can be done with it. */
export interface Rotation {
  readonly read: KeyringRead
  readonly policy: Policy
  readonly edges: readonly RegisteredEdge[]
  now(): Seconds
  /**
   * Tells the issuer and every edge which keys there are, and asks what they hold. Nobody is asked
   * where the issuer is not configured, since a ping speaks of an issuer.
   */
  announce(keyring: Keyring): Promise<readonly Delivery[]>
  /** Makes the public copy equal and announces: what an interrupted command may not have done. */
  finishInterrupted(): Promise<readonly Delivery[]>
  /**
   * Tells the issuer and every edge at once that keys are revoked, as of a revision; nothing is
   * written. `onDenial` hears of each answer when it comes.
   */
  deny(revoked: Denied, onDenial: (denial: Denial) => void): Promise<readonly Denial[]>
  /** Writes that kids are revoked, and reads the keyring in which that counts. */
  revoke(revocations: readonly Revocation[]): Promise<KeyringRead>
  /**
   * Writes a step and announces it. It follows from `read`, or from a later read `before`.
   *
   * @throws {InfisicalError} `moved`, `approval_required`
   */
  write(after: Keyring, verb: Verb, before?: KeyringRead): Promise<Written>
}

/** Kids that are revoked, and the newest revision when they were. */
export interface Denied {
  readonly kids: readonly string[]
  readonly revision: number
}

/** A step that was written. */
export interface Written {
  readonly keyring: Keyring
  readonly deliveries: readonly Delivery[]
}

/** Reads the keyring, the policy and who has to learn of a change. */
export async function openRotation(context: Context): Promise<Rotation> {
  const { settings, clock, fetch, output } = context
  const policy = definePolicy(settings.policyOptions)
  const infisical = await context.openInfisical()
  const { store } = infisical
  const [read, { edges, pingKey }] = await Promise.all([store.read(), store.readPropagation()])
  for (const note of read.notes) output.warn(note)
  const signer = pingKey && (await createPingSigner(pingKey))

  const options = (issuer: string): PropagationOptions => ({ signer, issuer, fetch, clock })
  const comment = (verb: Verb) => `keyturn keys ${verb} by ${infisical.identity}`

  async function announce(keyring: Keyring): Promise<readonly Delivery[]> {
    const { issuer } = settings
    if (issuer === undefined) return []
    return await propagate(keyring, recipientsOf(issuer, edges), options(issuer))
  }

  return {
    read,
    policy,
    edges,
    now: () => nowSeconds(clock),
    announce,
    async finishInterrupted() {
      await store.renewPublicCopy(read.keyring)
      return await announce(read.keyring)
    },
    async deny(revoked, onDenial) {
      const issuer = settings.requireIssuer()
      const recipients = recipientsOf(issuer, edges)
      return await denyEverywhere(revoked, recipients, { ...options(issuer), onDenial })
    },
    revoke: (revocations) => store.revoke(revocations, comment('revoke')),
    async write(after, verb, before = read) {
      const { keyring } = await store.write(before, after, comment(verb))
      return { keyring, deliveries: await announce(keyring) }
    },
  }
}

/** Judges who holds the keys, and warns where somebody does not: a step stands all the same. */
export async function reportDeliveries(
  { output }: Context,
  keyring: Keyring,
  deliveries: readonly Delivery[],
): Promise<readonly Verdict[]> {
  const verdicts = await judge(keyring, deliveries)
  const late = verdicts.filter(({ holds }) => !holds).map(({ name }) => name)
  if (late.length > 0) {
    output.warn(
      `${late.join(', ')} did not acknowledge the keys, and will read them when they poll`,
    )
  }
  return verdicts
}
