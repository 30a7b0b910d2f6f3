import { Command } from 'commander'
import type { Context } from './context.ts'
import { defineClients } from './definitions/clients.ts'
import { defineInit } from './definitions/init.ts'
import { defineKeys } from './definitions/keys.ts'
import { defineToken } from './definitions/token.ts'
import { EXIT, EXIT_MEANINGS, type ExitCode } from './exit-codes.ts'
import type { TextStream } from './output.ts'
import type { GlobalOptions } from './settings.ts'
import type { ActionOf } from './verb.ts'

/** What the program runs in. */
export interface ProgramOptions {
  readonly version: string
  readonly stdout: TextStream
  readonly stderr: TextStream
  openContext(globals: GlobalOptions): Promise<Context>
  onExit(code: ExitCode): void
}

/** Makes the command line: every command with its options, help and examples. */
export function createProgram(programOptions: ProgramOptions): Command {
  const { version, stdout, stderr, openContext, onExit } = programOptions
  const program = new Command('keyturn')
    .description('Keys in Infisical, tokens from the issuer, and how the keys turn.')
    .version(version, '-V, --version', 'print the version')
    .option('-e, --env <slug>', "environment in Infisical, by its slug (default: 'prod')")
    .option('--project-id <id>', 'project in Infisical')
    .option('--domain <url>', 'address of the Infisical server')
    .option('--issuer <url>', 'address of the issuer (KEYTURN_ISSUER)')
    .option('--json', 'print the result as JSON')
    .option('--verbose', 'show the stack of an error')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', exitCodeHelp())
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // Whoever runs the program says what is wrong, like every other error.
      outputError: () => {},
    })
    .exitOverride()

  const actionOf: ActionOf =
    (load) =>
    async (...all) => {
      // Commander passes the arguments, the options, and last the command itself.
      const command = all.at(-1) as Command
      const context = await openContext(command.optsWithGlobals())
      const verb = await load()
      // Each definition declares the options that the verb it loads is typed with.
      const options = command.opts() as Parameters<typeof verb>[1]
      onExit((await verb(context, options, command.args)) ?? EXIT.ok)
    }

  defineInit(program, actionOf)
  defineKeys(program, actionOf)
  defineClients(program, actionOf)
  defineToken(program, actionOf)
  return program
}

function exitCodeHelp(): string {
  const lines = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `  ${code}  ${meaning}`)
  return `\nExit codes:\n${lines.join('\n')}`
}
