#!/usr/bin/env node
import { CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { withDashedKids } from './argv.ts'
import { CliError, usageError } from './cli-error.ts'
import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { createOutput, type Output } from './output.ts'
import { createProgram } from './program.ts'
import { findProjectFile } from './project-file.ts'
import { type GlobalOptions, readSettings, type Variables } from './settings.ts'
import { readAll } from './stdin.ts'
import { askLine } from './terminal.ts'

const { argv, env, stdin, stdout, stderr } = process

/** Flags count even where the command line around them is wrong. */
let output = outputFor({ json: argv.includes('--json'), verbose: argv.includes('--verbose') })

// A pipe that closes ends the output, not the work: a step under way is written and announced.
for (const stream of [stdout, stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

/** What Infisical is configured with, once flags and files were read. */
let variables: Variables = env

const program = createProgram({
  version: manifest.version,
  stdout,
  stderr,
  openContext,
  onExit: (code) => {
    process.exitCode = code
  },
})

try {
  await program.parseAsync(withDashedKids(argv))
} catch (error) {
  process.exitCode = await fail(error)
}

async function fail(error: unknown): Promise<ExitCode> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok
    if (error.code !== 'commander.help') output.fail(commandLineError(error))
    return EXIT.usage
  }
  const { toCliError } = await import('./failures.ts')
  const failure = toCliError(error, { now: Math.floor(Date.now() / 1000), variables })
  output.fail(failure)
  return failure.exit
}

function commandLineError({ message }: CommanderError): CliError {
  const [what = message, ...why] = message.replace(/^error: /, '').split('\n')
  return new CliError('usage', 'usage', what, { why, next: ['keyturn help'] })
}

async function openContext(flags: GlobalOptions): Promise<Context> {
  output = outputFor(flags)
  const settings = readSettings({ flags, env, projectFile: await findProjectFile(process.cwd()) })
  variables = settings.infisicalVariables
  const { systemClock } = await import('@keyturn/auth-core')
  return {
    output,
    settings,
    env,
    folder: process.cwd(),
    clock: systemClock,
    fetch,
    readStdin,
    isTerminal: stdin.isTTY === true && stderr.isTTY === true && !output.json,
    ask: (question) => askLine(question, { input: stdin, output: stderr }),
    openInfisical: async () => {
      const { connect } = await import('./connect.ts')
      return await connect({ variables, clock: systemClock })
    },
  }
}

async function readStdin(wanted: string): Promise<string> {
  if (stdin.isTTY) {
    throw usageError(
      `the ${wanted} is read from standard input, and that is a terminal`,
      'send it through a pipe or from a file, so that it is neither shown nor kept in a history',
    )
  }
  return await readAll(stdin)
}

function outputFor({ json = false, verbose = false }: GlobalOptions): Output {
  return createOutput({ stdout, stderr, env, json, verbose })
}
