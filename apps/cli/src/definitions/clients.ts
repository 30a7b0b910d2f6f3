import type { Command } from 'commander'
import type { ActionOf } from '../verb.ts'
import { collect, examples } from './examples.ts'

/** Defines `keyturn clients …`, over the private listener of the issuer. */
export function defineClients(program: Command, actionOf: ActionOf): void {
  const clients = program
    .command('clients')
    .summary('who may ask the issuer for tokens')
    .description(
      'The clients of the issuer, over its private listener (KEYTURN_ADMIN_URL, ' +
        'KEYTURN_ADMIN_TOKEN).',
    )

  clients
    .command('create')
    .summary('register a client and print its secret, once')
    .description('Registers a client. Its secret is printed this once and stored nowhere as text.')
    .requiredOption('--name <name>', 'what people call the client')
    .requiredOption('--audience <audience>', 'an audience it may ask for; may be repeated', collect)
    .option('--scope <scope>', 'a scope it may ask for; may be repeated', collect)
    .addHelpText(
      'after',
      examples(
        'keyturn clients create --name reports --scope reports:read --audience https://api.example',
      ),
    )
    .action(actionOf(async () => (await import('../commands/clients-create.ts')).createClient))

  clients
    .command('list')
    .summary('list the clients')
    .description('Lists the clients, without their secrets.')
    .addHelpText('after', examples('keyturn clients list'))
    .action(actionOf(async () => (await import('../commands/clients-list.ts')).listClients))
}
