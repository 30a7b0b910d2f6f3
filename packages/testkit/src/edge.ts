import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { unstable_startWorker } from 'wrangler'

/** How the Worker is started. */
export interface EdgeOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Over those of its wrangler.jsonc. */
  readonly vars: Readonly<Record<string, string>>
  readonly secrets?: Readonly<Record<string, string>>
  /** Where its Durable Object keeps its storage. Absent: it is forgotten at the end. */
  readonly persistDir?: string
}

/** The Worker, running in workerd. */
export interface RunningEdge {
  /** Without a slash at its end. */
  readonly url: string
  /** What it wrote to its console, oldest first. */
  logs(): readonly string[]
  /** Ends workerd. */
  stop(): Promise<void>
}

const CONFIG = fileURLToPath(new URL('../../../apps/edge/wrangler.jsonc', import.meta.url))
const READY_WITHIN_MS = 20_000
const POLL_MS = 25

/**
 * Runs the real Worker of apps/edge in workerd, bundled as for a deployment, on 127.0.0.1.
 *
 * It is ready when it answers; a configuration that it refuses is an error here, with what it wrote.
 * Nothing but loopback is used: no account, no telemetry, no `cf` object from outside.
 */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false'
  process.env.WRANGLER_SEND_METRICS = 'false'
  const lines: string[] = []
  const worker = await unstable_startWorker({
    config: CONFIG,
    // Neither .dev.vars nor .env of this machine takes part.
    envFiles: [],
    bindings: {
      ...bindingsOf('plain_text', options.vars),
      ...bindingsOf('secret_text', options.secrets),
    },
    dev: {
      server: { hostname: '127.0.0.1', port: options.port ?? 0 },
      persist: options.persistDir ?? false,
      watch: false,
      inspector: false,
      logLevel: 'none',
      structuredLogsHandler: ({ message }) => lines.push(message),
    },
  })
  try {
    await worker.ready
    const url = (await worker.url).origin
    await answers(url, lines)
    return { url, logs: () => lines, stop: () => worker.dispose() }
  } catch (error) {
    await worker.dispose()
    throw error
  }
}

function bindingsOf<T extends 'plain_text' | 'secret_text'>(
  type: T,
  values: Readonly<Record<string, string>> = {},
): Record<string, { type: T; value: string }> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { type, value }]))
}

async function answers(url: string, lines: readonly string[]): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    const status = await fetch(`${url}/`).then(
      (response) => response.status,
      () => undefined,
    )
    if (status === 500) throw new Error(`starting the edge: ${lines.join('\n')}`)
    if (status !== undefined) return
    if (Date.now() > deadline) throw new Error('starting the edge: it does not answer')
    await sleep(POLL_MS)
  }
}
