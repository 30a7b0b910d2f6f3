import { createHmac, randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { refuse } from './errors.ts'
import { isPathMatch } from './permissions.ts'
import type { Environment } from './projects.ts'
import type { Store } from './store.ts'

export interface Webhook {
  readonly id: string
  readonly environment_id: string
  /** A folder path, or a glob of them. */
  readonly path: string
  readonly url: string
  readonly secret: string | null
  readonly last_status: 'success' | 'failed' | null
  readonly last_error: string | null
  readonly created_at: number
  readonly updated_at: number
}

export interface NewWebhook {
  readonly path: string
  readonly url: string
  readonly secret: string | undefined
}

export interface Webhooks {
  create(environmentId: string, webhook: NewWebhook): Webhook
  list(environmentIds: readonly string[]): readonly Webhook[]
  /** @throws {ApiError} 404 */
  byId(id: string): Webhook
  remove(id: string): void
  /** Delivers a `test` event at once and returns the webhook with its outcome. */
  test(webhook: Webhook, environment: Environment): Promise<Webhook>
  /** Notes a change in a folder; what follows within the delay is told in the same delivery. */
  changed(environment: Environment, path: string): void
  /** Drops what was not delivered yet and waits for nothing. */
  stop(): void
}

/** Pauses before the second, third and fourth attempt. */
const retryPausesMs = [200, 400, 800]
const attemptTimeoutMs = 15_000

/**
 * Deliveries as recorded: one per change and debounce, four attempts with the identical body on
 * 5xx or a network error, then dropped. They are not kept over a restart. The delay and the pauses
 * are those of the machine's timers; `clock` gives only the timestamps.
 *
 * The body is `{"event":"secrets.modified","project":{"workspaceId":…,"environment":"dev",
 * "secretPath":"/auth/jwt"},"timestamp":<ms>}`.
 */
export function createWebhooks(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly delayMs: number
}): Webhooks {
  const { store, clock, delayMs } = deps
  const stopping = new AbortController()
  const pending = new Map<string, NodeJS.Timeout>()

  const list: Webhooks['list'] = (environmentIds) =>
    store
      .all<Webhook>('SELECT * FROM webhooks ORDER BY rowid')
      .filter(({ environment_id }) => environmentIds.includes(environment_id))

  const byId = (id: string): Webhook => {
    const webhook = store.get<Webhook>('SELECT * FROM webhooks WHERE id = ?', id)
    if (!webhook) throw refuse.webhookUnknown(id)
    return webhook
  }

  const deliver = async (webhook: Webhook, event: string, place: Delivery): Promise<void> => {
    const { signal } = stopping
    const failure = await send(webhook, message(event, place, clock.nowMs()), signal)
    if (signal.aborted) return
    store.run(
      'UPDATE webhooks SET last_status = ?, last_error = ?, updated_at = ? WHERE id = ?',
      ...[failure === undefined ? 'success' : 'failed', failure ?? null],
      ...[clock.nowMs(), webhook.id],
    )
  }

  const fire = (environment: Environment, path: string) => {
    const place = { workspaceId: environment.project_id, environment: environment.slug, path }
    for (const webhook of list([environment.id])) {
      if (isPathMatch(path, webhook.path)) void deliver(webhook, 'secrets.modified', place)
    }
  }

  return {
    list,
    byId,
    create(environmentId, { path, url, secret = null }) {
      const nowMs = clock.nowMs()
      const id = randomUUID()
      store.run(
        'INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, ?)',
        ...[id, environmentId, path, url, secret, nowMs, nowMs],
      )
      return byId(id)
    },
    remove: (id) => void store.run('DELETE FROM webhooks WHERE id = ?', id),
    async test(webhook, { project_id: workspaceId, slug }) {
      await deliver(webhook, 'test', { workspaceId, environment: slug, path: webhook.path })
      return byId(webhook.id)
    },
    changed(environment, path) {
      const key = `${environment.id} ${path}`
      if (pending.has(key) || stopping.signal.aborted) return
      const timer = setTimeout(() => {
        pending.delete(key)
        fire(environment, path)
      }, delayMs)
      pending.set(key, timer)
    },
    stop() {
      stopping.abort()
      for (const timer of pending.values()) clearTimeout(timer)
      pending.clear()
    },
  }
}

interface Delivery {
  readonly workspaceId: string
  readonly environment: string
  readonly path: string
}

interface Message {
  readonly timestamp: number
  readonly body: string
}

function message(event: string, place: Delivery, timestamp: number): Message {
  const { workspaceId, environment, path } = place
  const project = { workspaceId, environment, secretPath: path }
  return { timestamp, body: JSON.stringify({ event, project, timestamp }) }
}

/** @returns what went wrong at the last attempt, or `undefined` */
async function send(
  { url, secret }: Webhook,
  { body, timestamp }: Message,
  stopping: AbortSignal,
): Promise<string | undefined> {
  const headers = new Headers({ 'content-type': 'application/json' })
  if (secret !== null) {
    const mac = createHmac('sha256', secret).update(body).digest('hex')
    headers.set('x-infisical-signature', `t=${timestamp};${mac}`)
  }
  for (const pauseMs of [...retryPausesMs, undefined]) {
    const outcome = await attempt(url, { method: 'POST', headers, body }, stopping)
    if (!outcome.isRetryable || pauseMs === undefined) return outcome.failure
    await pause(pauseMs, stopping)
    if (stopping.aborted) return outcome.failure
  }
  return undefined
}

async function attempt(url: string, init: RequestInit, stopping: AbortSignal): Promise<Outcome> {
  try {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(attemptTimeoutMs)])
    const response = await fetch(url, { ...init, signal })
    await response.body?.cancel()
    if (response.ok) return { isRetryable: false }
    const failure = `Request failed with status code ${response.status}`
    return { isRetryable: response.status >= 500, failure }
  } catch (error) {
    // fetch hides the reason (ECONNREFUSED, for one) in the cause.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return { isRetryable: true, failure: reason instanceof Error ? reason.message : String(reason) }
  }
}

interface Outcome {
  readonly isRetryable: boolean
  readonly failure?: string
}

function pause(ms: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stopping.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      stopping.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    stopping.addEventListener('abort', end)
  })
}
