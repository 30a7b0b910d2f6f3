import {
  apply,
  currentKey,
  gate,
  generateFreshKey,
  type Obstacle,
} from '@keyturn/auth-core/signing'
import { CliError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import type { Delivery } from '../deliver.ts'
import { EXIT } from '../exit-codes.ts'
import { describeObstacle, describeRisk, obstacleData } from '../obstacles.ts'
import { answersOf, problemsOf } from '../propagate.ts'
import { openRotation, type Rotation, reportDeliveries } from '../rotation.ts'
import { reportStep } from '../step-report.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** The longest that a flip waits for edges that have just taken the keys over. */
const LONGEST_SETTLING_MS = 10_000

/** Lets the next key sign once the gate is open; with `force`, says what may go wrong and goes on. */
export const flipKeys: Verb<{ readonly force?: boolean }> = async (context, { force = false }) => {
  context.settings.requireIssuer()
  const rotation = await openRotation(context)
  const asked = await askGate(context, rotation)
  if (asked.obstacles.length > 0) overrideOrRefuse(context, rotation, { ...asked, force })

  const { policy, read } = rotation
  const now = rotation.now()
  const fresh = await generateFreshKey(policy.alg, now)
  const after = apply(read.keyring, { verb: 'flip', fresh }, { policy, now })
  const { keyring, deliveries } = await rotation.write(after, 'flip')
  const verdicts = await reportDeliveries(context, keyring, deliveries)
  const turned = currentKey(read.keyring)?.kid
  const endsAt = keyring.keys.find(({ kid }) => kid === turned)?.jwk.exp ?? now
  const lines = [
    `flipped: ${currentKey(keyring)?.kid} signs`,
    `previous: ${turned} verifies until ${formatMoment(endsAt, now)}`,
    `staged: ${fresh.kid} is the next key`,
  ]
  reportStep(context, { verb: 'flip', changed: true, lines, keyring, verdicts })
  return EXIT.ok
}

interface GateAnswer {
  readonly obstacles: readonly Obstacle[]
  readonly deliveries: readonly Delivery[]
}

/** Asks the gate; where edges have only just taken the keys over, waits and asks again. */
async function askGate({ output, clock }: Context, rotation: Rotation): Promise<GateAnswer> {
  const { policy, edges } = rotation
  const { keyring } = rotation.read
  const giveUpAtMs = clock.nowMs() + LONGEST_SETTLING_MS
  output.progress(
    `asking the issuer and ${edges.length} ${edges.length === 1 ? 'edge' : 'edges'} which keys they hold`,
  )
  let deliveries = await rotation.finishInterrupted()
  for (;;) {
    const answers = answersOf(deliveries, 'edge')
    const obstacles = await gate(keyring, { policy, edges: answers, now: rotation.now() })
    const waits = obstacles.map((each) => (each.reason === 'settling' ? each.wait : Infinity))
    const waitMs = Math.max(0, ...waits) * 1000
    if (waitMs === 0 || clock.nowMs() + waitMs > giveUpAtMs) return { obstacles, deliveries }
    output.progress(`waiting ${Math.ceil(waitMs / 1000)} s until every edge has settled`)
    await clock.sleep(waitMs)
    deliveries = await rotation.announce(keyring)
  }
}

function overrideOrRefuse(
  { output }: Context,
  { policy, now }: Rotation,
  { obstacles, deliveries, force }: GateAnswer & { readonly force: boolean },
): void {
  const facts = { policy, now: now(), problems: problemsOf(deliveries) }
  const impossible = obstacles.some(({ reason }) => reason === 'no_next_key')
  if (force && !impossible) {
    for (const obstacle of obstacles) output.warn(`forced: ${describeRisk(obstacle, facts)}`)
    return
  }
  throw new CliError('refused', 'gate_closed', 'the gate is closed, and no key was turned', {
    why: obstacles.map((obstacle) => describeObstacle(obstacle, facts)),
    next: impossible
      ? ['keyturn keys stage']
      : [
          'keyturn keys check, and run this again once the gate is open (--force says what it costs)',
        ],
    data: { obstacles: obstacles.map(obstacleData) },
  })
}
