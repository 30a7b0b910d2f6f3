import { nowSeconds, type Seconds } from '@keyturn/auth-core'
import {
  createPingSigner,
  definePolicy,
  type Keyring,
  type Policy,
  type Verb,
} from '@keyturn/auth-core/signing'
import type { KeyringRead, RegisteredEdge } from '@keyturn/infisical'
import type { Context } from './context.ts'
import {
  type Delivery,
  judge,
  type PropagationOptions,
  propagate,
  recipientsOf,
  type Verdict,
} from './propagate.ts'

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
  /** Writes a step and announces it. @throws {InfisicalError} `moved`, `approval_required` */
  write(after: Keyring, verb: Verb): Promise<Written>
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

  async function announce(keyring: Keyring): Promise<readonly Delivery[]> {
    if (settings.issuer === undefined) return []
    const options: PropagationOptions = { signer, issuer: settings.issuer, fetch, clock }
    return await propagate(keyring, recipientsOf(settings.issuer, edges), options)
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
    async write(after, verb) {
      const comment = `keyturn keys ${verb} by ${infisical.identity}`
      const { keyring } = await store.write(read, after, comment)
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
