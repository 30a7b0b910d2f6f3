import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '@keyturn/testkit'

const MAIN = new URL('../src/main.ts', import.meta.url).pathname

/** The issuer as a process of its own, with what it printed so far. */
export interface IssuerProcess {
  readonly url: string
  readonly privateUrl: string
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** The lines of the log, parsed. */
  log(): readonly Record<string, unknown>[]
  /** Resolves with the exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>
  /** Resolves when it is ready; rejects with what it printed when it ends or does not get ready. */
  ready(): Promise<void>
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>
}

/** Starts the issuer with exactly these variables, on free ports where none are given. */
export async function startIssuer(env: Record<string, string>): Promise<IssuerProcess> {
  const port = env.KEYTURN_PORT ?? String(await freePort())
  const privatePort = env.KEYTURN_PRIVATE_PORT ?? String(await freePort())
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH ?? '',
      KEYTURN_ISSUER: url,
      KEYTURN_PORT: port,
      KEYTURN_PRIVATE_PORT: privatePort,
      LOG_LEVEL: 'debug',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  let ended = false
  const exited = once(child, 'close').then(([code]): number | null => {
    ended = true
    return code
  })
  return {
    url,
    privateUrl: `http://127.0.0.1:${privatePort}`,
    child,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    log: () =>
      printed.stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
    exited,
    async ready() {
      for (let round = 0; round < 400 && !ended; round++) {
        const answer = await fetch(`${url}/readyz`).catch(() => undefined)
        await answer?.body?.cancel()
        if (answer?.status === 200) return
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error(`the issuer is not ready:\n${printed.stdout}${printed.stderr}`)
    },
    async stop() {
      child.kill('SIGTERM')
      return await exited
    },
  }
}
