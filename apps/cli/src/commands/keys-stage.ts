import { apply, generateFreshKey, nextKey } from '@keyturn/auth-core/signing'
import { EXIT } from '../exit-codes.ts'
import { openRotation, reportDeliveries } from '../rotation.ts'
import { reportStep } from '../step-report.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** Publishes a next key. One that is there already stays, unless `replace` is set. */
export const stageKey: Verb<{ readonly replace?: boolean }> = async (context, options) => {
  context.settings.requireIssuer()
  const rotation = await openRotation(context)
  const { keyring } = rotation.read
  const now = rotation.now()
  const { replace = false } = options
  const present = nextKey(keyring)
  if (present && !replace) {
    const verdicts = await reportDeliveries(context, keyring, await rotation.finishInterrupted())
    const lines = [
      `nothing to do: ${present.kid} is the next key, staged ${formatMoment(present.jwk.iat ?? now, now)}`,
    ]
    reportStep(context, { verb: 'stage', changed: false, lines, keyring, verdicts })
    return EXIT.ok
  }
  const fresh = await generateFreshKey(rotation.policy.alg, now)
  const step = { verb: 'stage', fresh, replace } as const
  const after = apply(keyring, step, { policy: rotation.policy, now })
  const written = await rotation.write(after, 'stage')
  const verdicts = await reportDeliveries(context, written.keyring, written.deliveries)
  const opensAt = formatMoment(now + rotation.policy.propagationWindow, now)
  const lines = [
    `staged: ${fresh.kid} is the next key`,
    ...(present ? [`replaced: ${present.kid} is gone; it never signed`] : []),
    `it may sign from ${opensAt}`,
  ]
  reportStep(context, { verb: 'stage', changed: true, lines, keyring: written.keyring, verdicts })
  return EXIT.ok
}
