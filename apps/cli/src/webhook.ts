import { FOLDERS, isInfisicalError, type Webhooks } from '@keyturn/infisical'

/** What became of the webhook by which Infisical reports changes. */
export type WebhookOutcome =
  | { readonly state: 'created' | 'unchanged'; readonly url: string }
  /** Servers let users create webhooks, and no machine identities. */
  | { readonly state: 'by_hand'; readonly url: string }
  | { readonly state: 'no_url' }

/** Every folder of ours: a change of any of them concerns the issuer. */
export const WEBHOOK_PATH = '/auth/**'

/** Creates the webhook where no enabled one of the same address is there. */
export async function ensureWebhook(
  webhooks: Webhooks,
  { url, secret }: { readonly url: string | undefined; readonly secret: string },
): Promise<WebhookOutcome> {
  if (url === undefined) return { state: 'no_url' }
  try {
    const present = await webhooks.listWebhooks()
    if (present.some((webhook) => webhook.url === url && !webhook.disabled)) {
      return { state: 'unchanged', url }
    }
    await webhooks.createWebhook({ url, secret, path: WEBHOOK_PATH })
    return { state: 'created', url }
  } catch (error) {
    if (isInfisicalError(error, 'forbidden')) return { state: 'by_hand', url }
    throw error
  }
}

/** Says what is done, or what is left to do by hand. */
export function describeWebhook(outcome: WebhookOutcome, environment: string): readonly string[] {
  if (outcome.state === 'no_url') {
    return ['webhook: none, as no address is known; pass --issuer or --webhook-url']
  }
  if (outcome.state !== 'by_hand') return [`webhook: ${outcome.url} (${outcome.state})`]
  return [
    'webhook: Infisical lets only users look at webhooks. If there is none yet, by hand:',
    '  1. open the project in Infisical, then Webhooks, then Create',
    `  2. environment: ${environment}; secret path: ${WEBHOOK_PATH}`,
    `  3. URL: ${outcome.url}`,
    `  4. secret key: the value of ${FOLDERS.edge}/webhook_secret`,
    '  5. save it, and press Test: the issuer answers 200. Until then the issuer polls.',
  ]
}
