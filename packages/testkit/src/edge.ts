import { once } from 'node:events'
import { createServer } from 'node:net'
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

type StartedWorker = Awaited<ReturnType<typeof unstable_startWorker>>

const CONFIG = fileURLToPath(new URL('../../../apps/edge/wrangler.jsonc', import.meta.url))
const HOST = '127.0.0.1'
const READY_WITHIN_MS = 20_000

/**
 * Runs the real Worker of apps/edge in workerd, bundled as for a deployment, on 127.0.0.1.
 *
 * It is ready when it answers; a taken port, a Worker that does not build and a configuration that
 * it refuses are errors here. Nothing but loopback is used: no account, no telemetry, no `cf` object
 * from outside, and neither .dev.vars nor .env of this machine takes part.
 */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const { port = 0, vars, secrets = {}, persistDir = false } = options
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = 'false'
  process.env.WRANGLER_SEND_METRICS = 'false'
  await refuseTaken(port)
  const keepSignals = guardSignals()
  const lines: string[] = []
  const worker = await unstable_startWorker({
    config: CONFIG,
    envFiles: [],
    bindings: { ...bindingsOf('plain_text', vars), ...bindingsOf('secret_text', secrets) },
    dev: {
      server: { hostname: HOST, port },
      persist: persistDir,
      watch: false,
      inspector: false,
      logLevel: 'none',
      structuredLogsHandler: (log: { readonly message: string }) => void lines.push(log.message),
    },
  })
  const done = new AbortController()
  try {
    const url = await Promise.race([ready(worker, lines), failed(worker), late(done.signal)])
    keepSignals()
    return { url, logs: () => lines, stop: () => worker.dispose() }
  } catch (cause) {
    await worker.dispose()
    throw new Error(`starting the edge: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  } finally {
    done.abort()
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Miniflare ends the whole process on a signal, before its caller could end anything else. The
 * returned function takes the listeners off that came since; `stop` ends workerd, and so does exit.
 */
function guardSignals(): () => void {
  const before = new Set<unknown>(SIGNALS.flatMap((signal) => process.listeners(signal)))
  return () => {
    for (const signal of SIGNALS) {
      for (const listener of process.listeners(signal)) {
        if (!before.has(listener)) process.off(signal, listener)
      }
    }
  }
}

/** workerd would try a taken port for ever. */
async function refuseTaken(port: number): Promise<void> {
  const probe = createServer()
  probe.listen(port, HOST)
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw new Error(`starting the edge: port ${port} of ${HOST} is taken`, { cause })
  } finally {
    probe.close()
  }
}

async function ready(worker: StartedWorker, lines: readonly string[]): Promise<string> {
  await worker.ready
  const url = (await worker.url).origin
  // The Worker checks its configuration with its first request.
  const response = await fetch(url)
  await response.body?.cancel()
  if (response.status === 500) throw new Error(lines.join('\n'))
  return url
}

/** Rejects with what goes wrong, of which `worker.ready` learns nothing. */
function failed({ raw }: StartedWorker): Promise<never> {
  return new Promise((_, reject) => {
    for (const name of ['error', 'buildFailed', 'runtimeError']) {
      raw.once(name, (event: unknown) => reject(errorOf(event)))
    }
  })
}

/** Wrangler tells of errors as such, or as an event with the error as its cause. */
function errorOf(event: unknown): Error {
  const cause = event instanceof Error ? event : Object(event).cause
  return cause instanceof Error ? cause : new Error('wrangler could not run the Worker', { cause })
}

async function late(signal: AbortSignal): Promise<never> {
  await sleep(READY_WITHIN_MS, undefined, { signal })
  throw new Error(`it is ready within ${READY_WITHIN_MS / 1000} s`)
}

function bindingsOf<T extends 'plain_text' | 'secret_text'>(
  type: T,
  values: Readonly<Record<string, string>>,
): Record<string, { type: T; value: string }> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { type, value }]))
}
