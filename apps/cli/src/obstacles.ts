import type { Seconds } from '@keyturn/auth-core'
import { type Obstacle, type Policy, shortestPropagation } from '@keyturn/auth-core/signing'
import { formatDuration, formatInstant, formatMoment } from './times.ts'

/** What obstacles are told with. */
export interface ObstacleFacts {
  readonly policy: Policy
  readonly now: Seconds
  /** Why somebody did not acknowledge, by name. */
  readonly problems: ReadonlyMap<string, string>
}

type Reason = Obstacle['reason']
type Of<R extends Reason> = Extract<Obstacle, { reason: R }>

interface Words<R extends Reason> {
  /** Why the step has to wait. */
  why(obstacle: Of<R>, facts: ObstacleFacts): string
  /** Who may refuse what, and for how long, where the step is taken all the same. */
  risk(obstacle: Of<R>, facts: ObstacleFacts): string
}

const WORDS: { readonly [R in Reason]: Words<R> } = {
  no_next_key: {
    why: () => 'there is no next key',
    risk: () => 'without a next key nothing can sign',
  },
  propagation_window: {
    why: ({ opensAt }, { now }) =>
      `a verifier may not know the next key yet; the gate opens at ${formatMoment(opensAt, now)}`,
    risk: ({ opensAt }, { now }) =>
      `verifiers that cache the key set may refuse every new token until ${formatMoment(opensAt, now)}`,
  },
  no_answer: {
    why: ({ name }, { problems }) =>
      `${name} did not acknowledge the keys: ${problems.get(name) ?? 'no reason given'}`,
    risk: riskOfOtherKeys,
  },
  other_keys: {
    why: ({ name, revision }) => `${name} holds other keys (revision ${revision})`,
    risk: riskOfOtherKeys,
  },
  settling: {
    why: ({ name, wait }) => `${name} took the keys over just now; it has settled in ${wait} s`,
    risk: ({ name, wait }) => `parts of ${name} may refuse new tokens for ${wait} s`,
  },
}

/** Says why a step has to wait. */
export function describeObstacle(obstacle: Obstacle, facts: ObstacleFacts): string {
  return wordsOf(obstacle).why(obstacle, facts)
}

/** Says what follows where a step is forced against an obstacle. */
export function describeRisk(obstacle: Obstacle, facts: ObstacleFacts): string {
  return wordsOf(obstacle).risk(obstacle, facts)
}

function riskOfOtherKeys({ name }: { readonly name: string }, { policy }: ObstacleFacts): string {
  const longest = formatDuration(shortestPropagation(policy))
  return `${name} may refuse every new token until it has read the keys again, which may take ${longest}, and longer while it cannot reach the issuer`
}

/** The entry for exactly this obstacle: the table ties each reason to its own facts. */
function wordsOf({ reason }: Obstacle): Words<Reason> {
  return WORDS[reason] as Words<Reason>
}

/** An obstacle for programs; the instant in ISO 8601. */
export function obstacleData(obstacle: Obstacle): Readonly<Record<string, unknown>> {
  if (obstacle.reason !== 'propagation_window') return { ...obstacle }
  return { reason: obstacle.reason, opens_at: formatInstant(obstacle.opensAt) }
}
