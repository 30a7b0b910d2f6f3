import { nowSeconds } from '@keyturn/auth-core'
import { definePolicy } from '@keyturn/auth-core/signing'
import { type Initialised, initialiseLayout, type RegisteredEdge } from '@keyturn/infisical'
import { usageError } from '../cli-error.ts'
import type { Context, Infisical } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { type ProjectFileOutcome, writeProjectFile } from '../project-file.ts'
import { checkUrl, urlBelow } from '../settings.ts'
import type { Verb } from '../verb.ts'
import { describeWebhook, ensureWebhook, type WebhookOutcome } from '../webhook.ts'

/** How `keyturn init` was asked. */
export interface InitOptions {
  readonly edge?: readonly string[]
  readonly webhookUrl?: string
  /** true: over another project's file too; false: not at all; absent: where there is none. */
  readonly writeConfig?: boolean
}

const EDGE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** Creates everything that Keyturn keeps in Infisical, once. */
export const init: Verb<InitOptions> = async (context, { edge = [], webhookUrl, writeConfig }) => {
  const { output, settings, clock, folder } = context
  const edges = parseEdges(edge)
  const url =
    webhookUrl === undefined
      ? settings.issuer && urlBelow(settings.issuer, '/hooks/infisical')
      : checkUrl(webhookUrl, '--webhook-url')
  const { alg } = definePolicy(settings.policyOptions)
  const infisical = await context.openInfisical()
  const { secrets, webhooks, projectId, environment } = infisical
  output.progress(`creating what is missing under /auth in ${environment}`)
  const layout = await initialiseLayout({ secrets, alg, now: nowSeconds(clock), edges })
  const webhook = await ensureWebhook(webhooks, { url, secret: layout.webhookSecret })
  const config =
    writeConfig === false
      ? 'skipped'
      : await writeProjectFile(
          folder,
          { workspaceId: projectId, defaultEnvironment: environment },
          writeConfig === true,
        )
  report(context, infisical, { layout, webhook, config })
  return EXIT.ok
}

interface Outcome {
  readonly layout: Initialised
  readonly webhook: WebhookOutcome
  readonly config: ProjectFileOutcome | 'skipped'
}

const CONFIG_LINES: Readonly<Record<Outcome['config'], readonly string[]>> = {
  created: ['.infisical.json: created'],
  updated: ['.infisical.json: updated'],
  unchanged: [],
  skipped: [],
  kept: ['.infisical.json: kept, it names another project or environment (see --write-config)'],
}

function report(
  { output }: Context,
  { environment }: Infisical,
  { layout, webhook, config }: Outcome,
): void {
  const { created, updated, keyring, edges, pingPublicKey } = layout
  const nothing = created.length + updated.length === 0
  const lines = [
    ...created.map((path) => `created ${path}`),
    ...updated.map((path) => `updated ${path}`),
    ...(nothing ? ['nothing to do: everything is in Infisical already'] : []),
    ...describeWebhook(webhook, environment),
    ...CONFIG_LINES[config],
    `edges: ${edges.map(({ name, url }) => `${name} ${url}`).join(', ') || 'none registered'}`,
    '',
    'For every edge:',
    `PING_PUBLIC_KEYS=${pingPublicKey}`,
  ]
  output.result(lines, {
    created,
    updated,
    changed: !nothing,
    revision: keyring.revision,
    edges,
    ping_public_keys: pingPublicKey,
    webhook,
    config,
  })
}

function parseEdges(texts: readonly string[]): readonly RegisteredEdge[] {
  return texts.map((text) => {
    const at = text.indexOf('=')
    const name = text.slice(0, Math.max(0, at))
    if (!EDGE_NAME.test(name)) {
      throw usageError(
        `--edge ${JSON.stringify(text)} is not name=url`,
        'keyturn init --edge eu=https://edge.example',
      )
    }
    return {
      name,
      url: checkUrl(text.slice(at + 1), `the URL of edge ${name}`).replace(/\/+$/, ''),
    }
  })
}
