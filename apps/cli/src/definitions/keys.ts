import type { Command } from 'commander'
import type { ActionOf } from '../verb.ts'
import { examples } from './examples.ts'

/** Defines `keyturn keys …`: the signing keys and how they turn. */
export function defineKeys(program: Command, actionOf: ActionOf): void {
  const keys = program
    .command('keys')
    .summary('the signing keys and how they turn')
    .description(
      'The signing keys. A rotation is: stage, check, flip, and after the overlap window retire.',
    )

  keys
    .command('status')
    .summary('show every key, what is due, and who holds what')
    .description('Shows every key, what is due next, and which keys the issuer and the edges hold.')
    .addHelpText('after', examples('keyturn keys status', 'keyturn keys status --json | jq .due'))
    .action(actionOf(async () => (await import('../commands/keys-status.ts')).showStatus))

  keys
    .command('stage')
    .summary('publish the next key')
    .description('Publishes a next key that does not sign yet. One that is there already stays.')
    .option('--replace', 'put a fresh key in place of the next one')
    .addHelpText('after', examples('keyturn keys stage', 'keyturn keys stage --replace'))
    .action(actionOf(async () => (await import('../commands/keys-stage.ts')).stageKey))

  keys
    .command('check')
    .summary('prove that a flip is safe')
    .description(
      "Proves that current and next key are in Infisical and in the issuer's JWKS, and that the " +
        'issuer and every registered edge hold exactly these keys. Ends with 3 where one does not.',
    )
    .addHelpText('after', examples('keyturn keys check', 'keyturn keys check && keyturn keys flip'))
    .action(actionOf(async () => (await import('../commands/keys-check.ts')).checkKeys))

  keys
    .command('flip')
    .summary('let the next key sign')
    .description(
      'Lets the next key sign; the current one verifies on until its tokens have ended. Refused ' +
        'while the propagation window is open or an edge does not hold the next key.',
    )
    .option('--force', 'flip although some verifiers may refuse valid tokens; says which')
    .addHelpText('after', examples('keyturn keys flip', 'keyturn keys flip --force'))
    .action(actionOf(async () => (await import('../commands/keys-flip.ts')).flipKeys))

  keys
    .command('retire')
    .argument('[kid]', 'the key to retire (default: every previous key that has ended)')
    .summary('take a previous key out of the published set')
    .description(
      'Takes previous keys out of the published set. Refused while a token of the key can be alive.',
    )
    .addHelpText('after', examples('keyturn keys retire'))
    .action(actionOf(async () => (await import('../commands/keys-retire.ts')).retireKeys))

  keys
    .command('restore')
    .summary('undo the last flip')
    .description('Undoes the last flip: the previous key signs again, the current one is previous.')
    .addHelpText('after', examples('keyturn keys restore'))
    .action(actionOf(async () => (await import('../commands/keys-restore.ts')).restoreKey))

  keys
    .command('revoke')
    .argument('[kid]', 'the key to revoke')
    .summary('refuse every token of a key, at once and for ever')
    .description(
      'Revokes a key: every edge and issuer is told before anything is written, and refuses its ' +
        'tokens within five seconds. Where it signs, the next key takes its place. It waits for no ' +
        'window, and nothing takes it back. Run again, it finishes what was cut off.',
    )
    .option('--all', 'revoke every key and make fresh ones; says who will refuse their tokens')
    .requiredOption('--reason <text>', 'why; kept in Infisical beside the kid')
    .option('--yes', 'do not ask; needed where there is no terminal')
    .addHelpText(
      'after',
      examples(
        "keyturn keys revoke 2Xk… --reason 'printed in a log'",
        "keyturn keys revoke --all --reason 'the host was broken into' --yes --json",
      ),
    )
    .action(actionOf(async () => (await import('../commands/keys-revoke.ts')).revokeKeys))
}
