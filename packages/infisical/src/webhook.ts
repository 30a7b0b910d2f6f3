import { createHmac, timingSafeEqual } from 'node:crypto'
import { isJsonObject } from '@keyturn/auth-core'
import { InfisicalError } from './errors.ts'

/** What a webhook delivery of Infisical says. It names no secret. */
export interface InfisicalWebhook {
  /** `secrets.modified`, or `test`. */
  readonly event: string
  readonly projectId: string
  readonly environment: string
  readonly path: string
  /** Milliseconds since the epoch, by Infisical's clock. */
  readonly timestamp: number
}

/** A delivery as it arrived, and what it is checked against. */
export interface WebhookDelivery {
  /** The bytes of the body, before any parsing. */
  readonly rawBody: string | Uint8Array
  /** The value of `x-infisical-signature`; absent where the webhook has no secret. */
  readonly header: string | null | undefined
  /** All that are good at present: two while the secret turns. */
  readonly secrets: readonly string[]
  readonly nowMs: number
  /** Default 5 minutes, both ways. */
  readonly toleranceMs?: number
}

const SIGNATURE = /^t=(\d{1,15});([0-9a-f]{64})$/
const MAX_BODY_BYTES = 64 * 1024

/**
 * Checks one delivery, in this order: size (64 KiB), the form of the header
 * (`t=<ms>;<hex of HMAC-SHA256 of the raw body>`), the signature under each secret in constant
 * time, the JSON, that `t` equals the signed `timestamp`, and its age.
 *
 * **Not checked:** whether the delivery came before. Infisical repeats deliveries that failed, so
 * the receiver's work must bear repetition; nor whether project and path are the expected ones.
 *
 * @throws {InfisicalError} `webhook_invalid`
 * @throws {TypeError} without a secret, or with an empty one, under which anybody could sign
 */
export function verifyInfisicalWebhook(delivery: WebhookDelivery): InfisicalWebhook {
  const { header, secrets, nowMs, toleranceMs = 5 * 60_000 } = delivery
  if (secrets.length === 0 || secrets.includes('')) throw new TypeError('expected webhook secrets')
  const rawBody = Buffer.from(delivery.rawBody)
  if (rawBody.byteLength > MAX_BODY_BYTES) throw invalid(`at most ${MAX_BODY_BYTES} bytes`)
  const [, t, mac] = SIGNATURE.exec(header ?? '') ?? []
  if (t === undefined || mac === undefined) throw invalid('a signature of the form t=<ms>;<hex>')
  if (!isSigned(rawBody, mac, secrets)) throw invalid('a signature under a known secret')
  const webhook = parseWebhookBody(rawBody)
  if (webhook.timestamp !== Number(t)) throw invalid('the same time in header and body')
  if (Math.abs(nowMs - webhook.timestamp) > toleranceMs) throw invalid('a recent time')
  return webhook
}

/** Every secret is tried, so that the time taken does not tell which one matched. */
function isSigned(rawBody: Uint8Array, mac: string, secrets: readonly string[]): boolean {
  const claimed = Buffer.from(mac, 'hex')
  const matches = secrets.map((secret) =>
    timingSafeEqual(createHmac('sha256', secret).update(rawBody).digest(), claimed),
  )
  return matches.includes(true)
}

/** Bodies are `{ "event", "project": { "workspaceId", "environment", "secretPath" }, "timestamp" }`. */
function parseWebhookBody(rawBody: Buffer): InfisicalWebhook {
  let body: unknown
  try {
    body = JSON.parse(rawBody.toString('utf8'))
  } catch (cause) {
    throw invalid('a JSON body', cause)
  }
  const { event, project, timestamp } = isJsonObject(body) ? body : {}
  const {
    workspaceId: projectId,
    environment,
    secretPath: path,
  } = isJsonObject(project) ? project : {}
  if (
    typeof event !== 'string' ||
    typeof timestamp !== 'number' ||
    typeof projectId !== 'string' ||
    typeof environment !== 'string' ||
    typeof path !== 'string'
  ) {
    throw invalid('event, project and timestamp in the body')
  }
  return { event, projectId, environment, path, timestamp }
}

function invalid(what: string, cause?: unknown): InfisicalError {
  return new InfisicalError('webhook_invalid', `expected a webhook delivery with ${what}`, {
    cause,
  })
}
