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
}
