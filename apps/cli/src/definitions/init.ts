import type { Command } from 'commander'
import type { ActionOf } from '../verb.ts'
import { collect, examples } from './examples.ts'

/** Defines `keyturn init`. */
export function defineInit(program: Command, actionOf: ActionOf): void {
  program
    .command('init')
    .summary('create everything that Keyturn keeps in Infisical')
    .description(
      'Creates every folder and secret that Keyturn keeps in Infisical: signing keys, AES key, ' +
        'edges, ping key, webhook. What is there already stays; a second run changes nothing.',
    )
    .option('--edge <name=url>', 'register an edge, or change its URL; may be repeated', collect)
    .option('--webhook-url <url>', "where Infisical reports changes (default: the issuer's hook)")
    .option('--write-config', 'write .infisical.json even over one that names another project')
    .option('--no-write-config', 'leave .infisical.json alone')
    .addHelpText(
      'after',
      examples(
        'keyturn init --issuer https://issuer.example --edge eu=https://edge.example',
        'keyturn init --env staging --project-id 3f0c… --json',
      ),
    )
    .action(actionOf(async () => (await import('../commands/init.ts')).init))
}
