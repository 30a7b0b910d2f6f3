import picomatch from 'picomatch'
import { z } from 'zod'

const operators = z.object({
  $eq: z.string().optional(),
  $ne: z.string().optional(),
  $in: z.array(z.string()).optional(),
  $glob: z.string().optional(),
})

const condition = z.union([z.string(), operators])

/**
 * Where a rule holds. Other members, `secretName` for one, are silently dropped, so that such a
 * rule is wider than written: this is what the recorded server does. `secretPath` stands first
 * because that server stores conditions so.
 */
export const conditionsSchema = z.object({
  secretPath: condition.optional(),
  environment: condition.optional(),
})

/** One rule as stored and shown: `{"subject":"secrets","action":["read"],"conditions":{…}}`. */
export const ruleSchema = z.object({
  subject: z.string(),
  action: z
    .union([z.string(), z.array(z.string())])
    .transform((action) => (typeof action === 'string' ? [action] : action)),
  conditions: conditionsSchema.optional(),
})

export type Rule = z.output<typeof ruleSchema>
type Condition = z.output<typeof condition>

/** The row of something with rules: they are in one column, as JSON. */
export type Stored<Value extends { readonly rules: readonly Rule[] }> = Omit<Value, 'rules'> & {
  readonly permissions: string
}

/** Reads stored rules back; they were validated before they were written. */
export const storedRules = (permissions: string): readonly Rule[] => JSON.parse(permissions)

/** The place that a request asks about. */
export interface Place {
  readonly environment: string
  readonly secretPath: string
}

const everyAction = ['read', 'create', 'edit', 'delete']

/** The roles that every project has, in the order in which a listing shows them. */
export const builtInRoles: Readonly<Record<string, BuiltInRole>> = {
  admin: {
    name: 'Admin',
    description: 'Full administrative access over a project',
    rules: [{ subject: 'all', action: ['manage'] }],
  },
  member: {
    name: 'Developer',
    description: 'Limited read/write role in a project',
    rules: [
      { subject: 'secrets', action: everyAction },
      { subject: 'environments', action: everyAction },
    ],
  },
  viewer: {
    name: 'Viewer',
    description: 'Only read role in a project',
    rules: [{ subject: 'secrets', action: ['read'] }],
  },
  'no-access': {
    name: 'No Access',
    description: 'No access to any resources in the project',
    rules: [],
  },
}

interface BuiltInRole {
  readonly name: string
  readonly description: string
  readonly rules: readonly Rule[]
}

/** Whether one of the rules allows `action` on `subject`; rules only ever add. */
export function isAllowed(
  rules: readonly Rule[],
  action: string,
  asked: { readonly subject: string; readonly place?: Place },
): boolean {
  return rules.some(
    (rule) =>
      (rule.subject === 'all' || rule.subject === asked.subject) &&
      (rule.action.includes('manage') || rule.action.includes(action)) &&
      holdsAt(rule, asked.place),
  )
}

/** Whether `path` is what `pattern` says, by the glob rules of the recorded server. */
export function isPathMatch(path: string, pattern: string): boolean {
  return picomatch.isMatch(path, pattern, { strictSlashes: false })
}

function holdsAt(rule: Rule, place: Place | undefined): boolean {
  const { environment, secretPath } = rule.conditions ?? {}
  if (environment === undefined && secretPath === undefined) return true
  if (!place) return false
  return isMet(environment, place.environment) && isMet(secretPath, place.secretPath)
}

function isMet(condition: Condition | undefined, value: string): boolean {
  if (condition === undefined) return true
  if (typeof condition === 'string') return condition === value
  const { $eq, $ne, $in, $glob } = condition
  return (
    ($eq === undefined || $eq === value) &&
    ($ne === undefined || $ne !== value) &&
    ($in === undefined || $in.includes(value)) &&
    ($glob === undefined || isPathMatch(value, $glob))
  )
}
