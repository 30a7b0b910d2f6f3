import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A program of this workspace that runs as a process of its own. */
export interface Program {
  readonly pid: number
  /** What it printed so far, standard output and error together. */
  output(): string
  /** Resolves with the exit code; -1 where a signal ended it. */
  readonly exited: Promise<number>
  /** Ends it as an operator would (SIGTERM), and after 5 s by force. */
  stop(): Promise<number>
  /** Ends it as a power cut would (SIGKILL). */
  kill(): Promise<number>
}

/** What a program that has ended printed, and its exit code. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramOptions {
  readonly args?: readonly string[]
  /** Nothing else is inherited but PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
}

/** Starts a TypeScript program of the workspace with the Node that runs this one. */
export function startProgram(entry: URL, options: ProgramOptions = {}): Program {
  const child = spawnNode(entry, options)
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const exited = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : -1))
  // Nobody is left behind where this process ends without having stopped what it started.
  const endWithUs = () => child.kill('SIGTERM')
  process.once('exit', endWithUs)
  void exited.then(() => process.off('exit', endWithUs))
  return {
    pid: child.pid ?? -1,
    output: () => printed,
    exited,
    stop: async () => {
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
      const code = await exited
      clearTimeout(force)
      return code
    },
    kill: async () => {
      child.kill('SIGKILL')
      return await exited
    },
  }
}

/** Runs a TypeScript program of the workspace to its end. */
export async function runProgram(entry: URL, options: ProgramOptions = {}): Promise<Ended> {
  const child = spawnNode(entry, options)
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close'),
  ])
  return { code: typeof code === 'number' ? code : -1, stdout, stderr }
}

function spawnNode(entry: URL, { args = [], env = {}, cwd, stdin }: ProgramOptions): ChildProcess {
  const child = spawn(process.execPath, [entry.pathname, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  })
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(stdin ?? '')
  return child
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  stream?.setEncoding('utf8')
  for await (const chunk of stream ?? []) text += chunk
  return text
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new TypeError('a TCP port')
  return address.port
}

/** Whether somebody listens on a port of 127.0.0.1. */
export async function isPortTaken(port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}

/** Asks `url` until it answers other than with 5xx. @throws {Error} with what the program printed, when it ends or time is up */
export async function untilReady(url: string, program: Program, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  let ended = false
  void program.exited.then(() => {
    ended = true
  })
  while (Date.now() < deadline && !ended) {
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer && answer.status < 500) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`${url} ${ended ? 'ended' : 'was not ready'}:\n${program.output()}`)
}
