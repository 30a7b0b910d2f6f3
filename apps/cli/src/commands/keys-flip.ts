import { apply, gate, generateFreshKey, type Obstacle } from '@keyturn/auth-core/signing'
import { CliError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { describeObstacle, describeRisk } from '../obstacles.ts'
import { answersOf } from '../propagate.ts'
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
  const obstacles = await settledObstacles(context, rotation)
  if (obstacles.length > 0) overrideOrRefuse(context, { rotation, obstacles, force })

  const { policy, read } = rotation
  const now = rotation.now()
  const fresh = await generateFreshKey(policy.alg, now)
  const after = apply(read.keyring, { verb: 'flip', fresh }, { policy, now })
  const written = await rotation.write(after, 'flip')
  const verdicts = await reportDeliveries(context, written.keyring, written.deliveries)
  const lines = [
    ...after.keys.flatMap(({ kid, jwk }) => {
      if (jwk.nbf === now) return [`flipped: ${kid} signs`]
      const endsAt = jwk.exp === undefined ? '' : formatMoment(jwk.exp, now)
      return endsAt ? [`previous: ${kid} verifies until ${endsAt}`] : []
    }),
    `staged: ${fresh.kid} is the next key`,
  ]
  reportStep(context, { verb: 'flip', changed: true, lines, keyring: written.keyring, verdicts })
  return EXIT.ok
}

/** Asks the gate; where edges have only just taken the keys over, waits and asks again. */
async function settledObstacles(
  { output, clock }: Context,
  { read, policy, edges, now, announce, finishInterrupted }: Rotation,
): Promise<readonly Obstacle[]> {
  const giveUpAtMs = clock.nowMs() + LONGEST_SETTLING_MS
  output.progress(`asking the issuer and ${edges.length} edge(s) which keys they hold`)
  let deliveries = await finishInterrupted()
  for (;;) {
    const answers = answersOf(deliveries, 'edge')
    const obstacles = await gate(read.keyring, { policy, edges: answers, now: now() })
    const waits = obstacles.map((each) => (each.reason === 'settling' ? each.wait : Infinity))
    const waitMs = Math.max(0, ...waits) * 1000
    if (waitMs === 0 || clock.nowMs() + waitMs > giveUpAtMs) return obstacles
    output.progress(`waiting ${Math.ceil(waitMs / 1000)} s until every edge has settled`)
    await clock.sleep(waitMs)
    deliveries = await announce(read.keyring)
  }
}

function overrideOrRefuse(
  { output }: Context,
  {
    rotation: { policy, now },
    obstacles,
    force,
  }: { rotation: Rotation; obstacles: readonly Obstacle[]; force: boolean },
): void {
  const facts = { policy, now: now() }
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
  })
}
