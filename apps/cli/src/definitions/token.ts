import type { Command } from 'commander'
import type { ActionOf } from '../verb.ts'
import { collect, examples } from './examples.ts'

/** Defines `keyturn token …`. */
export function defineToken(program: Command, actionOf: ActionOf): void {
  const token = program
    .command('token')
    .summary('get a token, look into a token')
    .description('Gets an access token as a client, or looks into one.')

  token
    .command('mint')
    .summary('ask the issuer for an access token')
    .description(
      'Asks the issuer for an access token (client_credentials) and prints it. The client secret ' +
        'comes from KEYTURN_CLIENT_SECRET or standard input, never from an argument.',
    )
    .option('--client-id <id>', 'the client (KEYTURN_CLIENT_ID)')
    .option('--scope <scope>', 'a scope to ask for; may be repeated', collect)
    .option('--audience <audience>', 'an audience to ask for; may be repeated', collect)
    .addHelpText(
      'after',
      examples(
        'keyturn token mint --client-id 1f3c… --scope reports:read < secret.txt',
        'curl -H "Authorization: Bearer $(keyturn token mint)" https://edge.example/api/reports',
      ),
    )
    .action(actionOf(async () => (await import('../commands/token-mint.ts')).mintToken))

  token
    .command('inspect')
    .summary('show what a token says, and whether it holds')
    .description(
      'Reads a token from standard input and shows its header, claims and times. Where the issuer ' +
        'is known (KEYTURN_ISSUER) it is verified under its keys; else nothing shown is proven.',
    )
    .option('--audience <audience>', "the audience that has to be in 'aud' (default: any)", collect)
    .addHelpText('after', examples('keyturn token mint | keyturn token inspect'))
    .action(actionOf(async () => (await import('../commands/token-inspect.ts')).inspectToken))
}
