import { apply, currentKey, isRestored } from '@keyturn/auth-core/signing'
import { EXIT } from '../exit-codes.ts'
import { openRotation, reportDeliveries } from '../rotation.ts'
import { reportStep } from '../step-report.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** Undoes the last flip: the previous key signs again. */
export const restoreKey: Verb<object> = async (context) => {
  context.settings.requireIssuer()
  const rotation = await openRotation(context)
  const { policy, read } = rotation
  if (isRestored(read.keyring)) {
    const { keyring } = read
    const verdicts = await reportDeliveries(context, keyring, await rotation.finishInterrupted())
    const lines = [`nothing to do: the last flip was undone, ${currentKey(keyring)?.kid} signs`]
    reportStep(context, { verb: 'restore', changed: false, lines, keyring, verdicts })
    return EXIT.ok
  }
  const now = rotation.now()
  const after = apply(read.keyring, { verb: 'restore' }, { policy, now })
  const written = await rotation.write(after, 'restore')
  const verdicts = await reportDeliveries(context, written.keyring, written.deliveries)
  const undone = currentKey(read.keyring)?.kid
  const undoneJwk = after.keys.find(({ kid }) => kid === undone)?.jwk
  const lines = [
    `restored: ${currentKey(after)?.kid} signs again`,
    `previous: ${undone} verifies until ${formatMoment(undoneJwk?.exp ?? now, now)}`,
  ]
  reportStep(context, { verb: 'restore', changed: true, lines, keyring: written.keyring, verdicts })
  return EXIT.ok
}
