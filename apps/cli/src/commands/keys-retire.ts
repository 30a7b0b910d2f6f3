import { AuthError } from '@keyturn/auth-core'
import { apply, type Keyring, keysWith, retireObstacles } from '@keyturn/auth-core/signing'
import { CliError } from '../cli-error.ts'
import type { Delivery } from '../deliver.ts'
import { EXIT } from '../exit-codes.ts'
import { describeObstacle, obstacleData } from '../obstacles.ts'
import { answersOf, problemsOf } from '../propagate.ts'
import { openRotation, type Rotation, reportDeliveries } from '../rotation.ts'
import { reportStep } from '../step-report.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** Takes a previous key, or every previous key that has ended, out of the published set. */
export const retireKeys: Verb<object> = async (context, _options, [kid]) => {
  context.settings.requireIssuer()
  const rotation = await openRotation(context)
  const { keyring } = rotation.read
  const { after, retired, waiting } =
    kid === undefined ? retireEnded(rotation) : retireOne(rotation, kid)
  const deliveries = await rotation.finishInterrupted()
  if (retired.length === 0) {
    const lines = ['nothing to do: no previous key has ended', ...waiting]
    const verdicts = await reportDeliveries(context, keyring, deliveries)
    reportStep(context, { verb: 'retire', changed: false, lines, keyring, verdicts })
    return EXIT.ok
  }
  refuseUnconfirmed(rotation, deliveries)
  const written = await rotation.write(after, 'retire')
  const verdicts = await reportDeliveries(context, written.keyring, written.deliveries)
  const lines = [...retired.map((gone) => `retired: ${gone} is gone`), ...waiting]
  reportStep(context, { verb: 'retire', changed: true, lines, keyring: written.keyring, verdicts })
  return EXIT.ok
}

interface Retirement {
  readonly after: Keyring
  readonly retired: readonly string[]
  /** One line for each previous key that has to stay. */
  readonly waiting: readonly string[]
}

function retireOne({ read, policy, now }: Rotation, kid: string): Retirement {
  const after = apply(read.keyring, { verb: 'retire', kid }, { policy, now: now() })
  return { after, retired: [kid], waiting: [] }
}

/** Tries every previous key: which of them has ended is for the step itself to say. */
function retireEnded(rotation: Rotation): Retirement {
  const { policy } = rotation
  const now = rotation.now()
  let after = rotation.read.keyring
  const retired: string[] = []
  const waiting: string[] = []
  for (const { kid, jwk } of keysWith(after, 'previous')) {
    try {
      after = apply(after, { verb: 'retire', kid }, { policy, now })
      retired.push(kid)
    } catch (error) {
      if (!(error instanceof AuthError) || error.code !== 'step_refused') throw error
      const endsAt = jwk.exp === undefined ? 'an unknown time' : formatMoment(jwk.exp, now)
      waiting.push(`waiting: ${kid} verifies until ${endsAt}`)
    }
  }
  return { after, retired, waiting }
}

function refuseUnconfirmed({ read, policy, now }: Rotation, deliveries: readonly Delivery[]): void {
  const obstacles = retireObstacles(read.keyring, answersOf(deliveries, 'issuer'))
  if (obstacles.length === 0) return
  const facts = { policy, now: now(), problems: problemsOf(deliveries) }
  throw new CliError(
    'refused',
    'issuer_unconfirmed',
    'the issuer did not confirm that the key signs no more, and no key was retired',
    {
      why: obstacles.map((obstacle) => describeObstacle(obstacle, facts)),
      next: ['keyturn keys check, and run this again once the issuer answers'],
      data: { obstacles: obstacles.map(obstacleData) },
    },
  )
}
