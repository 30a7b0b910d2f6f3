import { isJsonObject } from '@keyturn/auth-core'
import { InfisicalError } from './errors.ts'

/** A shared secret as Infisical holds it. */
export interface Secret {
  /** The folder it is in, such as `/auth/jwt`. */
  readonly path: string
  readonly name: string
  /** As stored: references to other secrets are not expanded. Servers trim white space around it. */
  readonly value: string
  /** Moves with every write, one of the same value included; restarts at 1 after a deletion. */
  readonly version: number
  /** Milliseconds since the epoch, by the server's clock; moves with every write. */
  readonly updatedAt: number
  /** Empty where there is none. The answer of an update shows it empty where it did not change. */
  readonly comment: string
}

/**
 * Reads one secret of an answer. `folder` is where it must be when the answer does not say.
 *
 * @throws {InfisicalError} `unexpected_answer` where a member is missing; `forbidden` where the
 *   identity may see that the secret exists, but not its value
 */
export function parseSecret(value: unknown, folder: string): Secret {
  if (!isJsonObject(value)) throw unexpected('a secret')
  const { secretKey: name, secretValue, version, updatedAt, secretComment, secretPath } = value
  if (typeof name !== 'string') throw unexpected('a secret with a name')
  if (value.secretValueHidden === true) {
    const message = 'expected the identity to have the permission to read the value'
    throw new InfisicalError('forbidden', message, { name, path: folder })
  }
  const updatedAtMs = typeof updatedAt === 'string' ? Date.parse(updatedAt) : Number.NaN
  if (typeof secretValue !== 'string' || typeof version !== 'number' || Number.isNaN(updatedAtMs)) {
    throw unexpected('a secret with value, version and time', name)
  }
  return {
    path: typeof secretPath === 'string' ? secretPath : folder,
    name,
    value: secretValue,
    version,
    updatedAt: updatedAtMs,
    comment: typeof secretComment === 'string' ? secretComment : '',
  }
}

/** Reads the secrets of a list or a batch; personal overrides of users are left out. */
export function parseSecrets(answer: unknown, folder: string): readonly Secret[] {
  const list = isJsonObject(answer) ? answer.secrets : undefined
  if (!Array.isArray(list)) throw unexpected('a list of secrets')
  return list
    .filter((item: unknown) => !isJsonObject(item) || item.type !== 'personal')
    .map((item: unknown) => parseSecret(item, folder))
}

/**
 * Refuses the answer of a write that became a Change Request instead: nothing is written until it
 * is merged.
 *
 * @throws {InfisicalError} `approval_required`; `details` has the request's `id` and `slug`
 */
export function refuseApproval(answer: unknown): void {
  if (!isJsonObject(answer) || !isJsonObject(answer.approval)) return
  const { id, slug } = answer.approval
  const name = typeof slug === 'string' ? ` ${slug}` : ''
  const message = `expected a write that needs no approval, got Change Request${name}`
  throw new InfisicalError('approval_required', message, { id, slug })
}

function unexpected(what: string, name?: string): InfisicalError {
  return new InfisicalError('unexpected_answer', `expected ${what} in the answer`, { name })
}
