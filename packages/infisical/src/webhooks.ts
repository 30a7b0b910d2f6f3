import { isJsonObject } from '@keyturn/auth-core'
import { InfisicalError } from './errors.ts'
import type { ProjectView } from './folders.ts'

/** A webhook that Infisical is to call. */
export interface NewWebhook {
  readonly url: string
  /** The key of the signature; deliveries of a webhook without one are not signed. */
  readonly secret: string
  /** The folder whose changes are told, or a glob such as `/auth/**`. */
  readonly path: string
}

/** A webhook as Infisical lists it; its secret is never shown again. */
export interface RegisteredWebhook {
  readonly id: string
  readonly url: string
  readonly path: string
  readonly disabled: boolean
  /** Of the last delivery; undefined before the first. */
  readonly lastStatus?: string
}

/**
 * The webhooks of one project and environment.
 *
 * Servers refuse them to machine identities (recorded on one of 2024): expect `forbidden`, and
 * tell the operator to create the webhook by hand.
 */
export interface Webhooks {
  createWebhook(webhook: NewWebhook): Promise<RegisteredWebhook>
  listWebhooks(): Promise<readonly RegisteredWebhook[]>
}

const ROUTE = '/api/v1/webhooks'

/** Gives access to the webhooks of `view`. The official SDK has no such calls. */
export function createWebhooks({ session, projectId, environment }: ProjectView): Webhooks {
  return {
    async createWebhook({ url, secret, path }) {
      const answer = await session.request({
        method: 'POST',
        path: ROUTE,
        body: {
          workspaceId: projectId,
          environment,
          webhookUrl: url,
          webhookSecretKey: secret,
          secretPath: path,
        },
      })
      return parseWebhook(isJsonObject(answer) ? answer.webhook : undefined, url)
    },
    async listWebhooks() {
      const query = { workspaceId: projectId, environment }
      const answer = await session.request({ method: 'GET', path: ROUTE, query })
      const list = isJsonObject(answer) ? answer.webhooks : undefined
      if (!Array.isArray(list)) throw unexpected('a list of webhooks')
      return list.map((item: unknown) => parseWebhook(item))
    },
  }
}

/** The answer to a creation leaves out the URL, which the caller knows. */
function parseWebhook(value: unknown, knownUrl = ''): RegisteredWebhook {
  if (!isJsonObject(value)) throw unexpected('a webhook')
  const { id, url = knownUrl, secretPath, isDisabled, lastStatus } = value
  if (typeof id !== 'string' || typeof url !== 'string' || typeof secretPath !== 'string') {
    throw unexpected('a webhook with id, URL and path')
  }
  return {
    id,
    url,
    path: secretPath,
    disabled: isDisabled === true,
    ...(typeof lastStatus === 'string' && { lastStatus }),
  }
}

function unexpected(what: string): InfisicalError {
  return new InfisicalError('unexpected_answer', `expected ${what} in the answer`)
}
