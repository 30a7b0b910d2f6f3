import type { Seconds } from '@keyturn/auth-core'
import {
  type Due,
  flipDueAt,
  type Keyring,
  type KeyStatus,
  keysWith,
  overdueBy,
  type Policy,
  plan,
} from '@keyturn/auth-core/signing'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import type { Style } from '../output.ts'
import { judge, type Verdict } from '../propagate.ts'
import { openRotation } from '../rotation.ts'
import { keyData } from '../step-report.ts'
import { type Cell, formatTable } from '../table.ts'
import { formatDuration, formatInstant, formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

const ORDER: readonly KeyStatus[] = ['current', 'next', 'previous', 'revoked']

/** Shows every key, what is due next, and who holds which keys, asked live. */
export const showStatus: Verb<object> = async (context) => {
  const rotation = await openRotation(context)
  const { policy, read, edges } = rotation
  const { keyring, notes } = read
  const verdicts = await judge(keyring, await rotation.announce(keyring))
  const now = rotation.now()
  const due = nextDue(keyring, policy, now)
  const overdue = overdueBy(keyring, policy, now)
  const lines = [
    ...keyLines(keyring, now, context.output.style),
    '',
    ...dueLines({ due, overdue, now }),
    `revision ${keyring.revision}, written ${formatMoment(Math.floor(keyring.revision / 1000), now)}`,
    ...holderLines(context, verdicts, edges.length),
  ]
  context.output.result(lines, {
    revision: keyring.revision,
    keys: ORDER.flatMap((status) =>
      keysWith(keyring, status).map(({ kid }) => keyData(keyring, kid)),
    ),
    revocations: keyring.revocations.map(({ kid, at, reason }) => ({
      kid,
      at: formatInstant(at),
      reason,
    })),
    due: due ? dueData(due) : null,
    overdue_seconds: overdue,
    policy,
    edges,
    holders: verdicts,
    notes,
  })
  return EXIT.ok
}

function dueData({ dueAt, ...what }: Due): object {
  return { ...what, due_at: formatInstant(dueAt) }
}

/** What is due now, else what will be due first. */
function nextDue(keyring: Keyring, policy: Policy, now: Seconds): Due | undefined {
  const due = plan(keyring, policy, now)
  if (due) return due
  const flipAt = flipDueAt(keyring, policy)
  const ahead: Due[] = keysWith(keyring, 'previous').flatMap(({ kid, jwk }) =>
    jwk.exp === undefined ? [] : [{ verb: 'retire', kid, dueAt: jwk.exp }],
  )
  if (flipAt !== undefined) ahead.push({ verb: 'flip', dueAt: flipAt })
  return ahead.sort((a, b) => a.dueAt - b.dueAt)[0]
}

function keyLines(keyring: Keyring, now: Seconds, style: Style): readonly string[] {
  const paintOf = {
    current: style.good,
    next: style.bold,
    previous: style.dim,
    revoked: style.bad,
  } as const
  const header = ['STATUS', 'KID', 'STAGED', 'SIGNS SINCE', 'ENDS', 'AGE']
  const rows: Cell[][] = ORDER.flatMap((status) =>
    keysWith(keyring, status).map(({ kid, jwk: { iat, nbf, exp } }): Cell[] => [
      [status, paintOf[status]],
      kid,
      instantOrDash(iat),
      instantOrDash(nbf),
      instantOrDash(exp),
      iat === undefined ? '-' : formatDuration(now - iat),
    ]),
  )
  return formatTable([header.map((title): Cell => [title, style.dim]), ...rows])
}

function dueLines({
  due,
  overdue,
  now,
}: {
  due: Due | undefined
  overdue: Seconds
  now: Seconds
}): readonly string[] {
  if (!due) return ['nothing is due']
  const what = due.verb === 'retire' ? `retire ${due.kid}` : due.verb
  const late = overdue > 0 ? `, the rotation is ${formatDuration(overdue)} late` : ''
  return [`due: ${what} at ${formatMoment(due.dueAt, now)}${late}`]
}

function holderLines(
  { settings, output: { style } }: Context,
  verdicts: readonly Verdict[],
  edges: number,
): readonly string[] {
  if (settings.issuer === undefined) return ['nobody was asked: KEYTURN_ISSUER is not set']
  const rows = verdicts.map(({ name, holds, detail, age }): Cell[] => [
    holds ? ['ok', style.good] : ['late', style.wait],
    name,
    age === undefined ? detail : `${detail}, held for ${formatDuration(age)}`,
  ])
  return [...formatTable(rows), ...(edges === 0 ? ['no edge is registered'] : [])]
}

function instantOrDash(at: Seconds | undefined): string {
  return at === undefined ? '-' : formatInstant(at)
}
