import { currentKey, type Keyring, nextKey, type Revocation } from '@keyturn/auth-core/signing'
import { CliError, usageError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import { cutOff } from '../cut-off.ts'
import type { Denial } from '../denials.ts'
import { EXIT } from '../exit-codes.ts'
import { toCliError } from '../failures.ts'
import { printable } from '../output.ts'
import {
  type Consequences,
  findTarget,
  foresee,
  oldestCopy,
  type Target,
  takeOutRevoked,
  type Wanted,
} from '../revocation.ts'
import { openRotation, type Rotation, reportDeliveries, type Written } from '../rotation.ts'
import { reportStep } from '../step-report.ts'
import { formatDuration, formatInstant, formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

interface RevokeOptions {
  readonly all?: boolean
  readonly reason: string
  readonly yes?: boolean
}

/** What was asked for. */
interface Request {
  readonly wanted: Wanted
  readonly reason: string
  readonly confirmed: boolean
}

/**
 * Revokes one key or all: first the pings, to everybody at once, then /auth/revoked, then the step.
 * It waits for no window. Run again, it finishes what was cut off.
 */
export const revokeKeys: Verb<RevokeOptions> = async (context, options, [kid]) => {
  context.settings.requireIssuer()
  const request = readRequest(context, options, kid)
  const rotation = await openRotation(context)
  const { keyring } = rotation.read
  const target = findTarget(keyring, request.wanted)
  if (target.done) return await reportDone(context, rotation, target)
  const consequences = await foresee(keyring, target, {
    policy: rotation.policy,
    now: rotation.now(),
  })
  await confirm(context, request, consequences)
  const { denials, written } = await revoke(context, rotation, { request, target })
  await report(context, rotation, { target, denials, written, consequences })
  return EXIT.ok
}

function readRequest(context: Context, options: RevokeOptions, kid: string | undefined): Request {
  const { all = false, yes = false } = options
  const reason = options.reason.trim()
  if (reason === '') throw usageError('a reason is at least one word')
  if (all && kid !== undefined) throw usageError('name a key, or pass --all, but not both')
  if (!all && kid === undefined) {
    throw usageError('no key is named', 'keyturn keys status, and pass the kid, or --all')
  }
  if (!yes && !context.isTerminal) {
    throw usageError('nobody can confirm it: this is no terminal', 'pass --yes')
  }
  return {
    wanted: kid === undefined ? { all: true } : { all: false, kid },
    reason,
    confirmed: yes,
  }
}

async function confirm(
  { output, ask }: Context,
  { wanted, confirmed }: Request,
  { effects, risks }: Consequences,
): Promise<void> {
  for (const effect of effects) output.progress(effect)
  for (const risk of risks) output.warn(risk)
  if (confirmed) return
  const word = wanted.all ? 'all' : wanted.kid
  const typed = await ask(`Nothing takes this back. Type ${word} to revoke: `)
  if (typed === word) return
  throw new CliError('refused', 'not_confirmed', `that was not ${word}, and nothing changed`)
}

/** How far it came is in the error, where it does not come to its end. */
async function revoke(
  context: Context,
  rotation: Rotation,
  { request, target }: { readonly request: Request; readonly target: Target },
): Promise<{ readonly denials: readonly Denial[]; readonly written: Written }> {
  const { kids, fresh } = target
  const { reason, wanted } = request
  const at = rotation.now()
  let denials = await deny(context, rotation, { kids, revision: rotation.read.keyring.revision })
  let stored = false
  try {
    const read = await rotation.revoke(fresh.map((kid): Revocation => ({ kid, at, reason })))
    stored = true
    const { revision } = read.keyring
    if (revision !== rotation.read.keyring.revision) {
      // Somebody wrote in between, and what the pings said has lapsed where that was read.
      denials = await deny(context, rotation, { kids, revision })
    }
    const now = rotation.now()
    const after = await takeOutRevoked(read.keyring, { policy: rotation.policy, now })
    return { denials, written: await rotation.write(after, 'revoke', read) }
  } catch (error) {
    const facts = { now: rotation.now(), variables: context.settings.infisicalVariables }
    // Once every kid is listed, naming any of them finishes it, and revokes no fresh key.
    const again = commandFor(stored ? { all: false, kid: kids[0] ?? '' } : wanted, reason)
    throw cutOff(toCliError(error, facts), { kids, denials, stored, again })
  }
}

async function deny(
  { output }: Context,
  rotation: Rotation,
  denied: Parameters<Rotation['deny']>[0],
): Promise<readonly Denial[]> {
  const denials = await rotation.deny(denied, ({ name, detail }) =>
    output.progress(`${name}: ${detail}`),
  )
  const late = denials.filter(({ refuses }) => !refuses)
  if (late.length > 0) {
    const names = late.map(({ name, detail }) => `${name} (${detail})`).join(', ')
    output.warn(`not known to refuse it before they read the keys again: ${names}`)
  }
  return denials
}

/** The command line that revokes, for a shell. */
function commandFor(wanted: Wanted, reason: string): string {
  const quoted = `'${reason.replaceAll("'", "'\\''")}'`
  return `keyturn keys revoke ${wanted.all ? '--all' : wanted.kid} --reason ${quoted}`
}

async function reportDone(
  context: Context,
  rotation: Rotation,
  { kids }: Target,
): Promise<typeof EXIT.ok> {
  const { keyring } = rotation.read
  const verdicts = await reportDeliveries(context, keyring, await rotation.finishInterrupted())
  const now = rotation.now()
  const revoked = revocationsOf(keyring, kids)
  const lines = revoked.map(
    ({ kid, at, reason }) =>
      `nothing to do: ${kid} was revoked ${formatMoment(at, now)}: ${printable(reason)}`,
  )
  const data = { revoked: revoked.map(revocationData), denials: [] }
  reportStep(context, { verb: 'revoke', changed: false, lines, keyring, verdicts, data })
  return EXIT.ok
}

interface Outcome {
  readonly target: Target
  readonly denials: readonly Denial[]
  readonly written: Written
  readonly consequences: Consequences
}

async function report(
  context: Context,
  { policy }: Rotation,
  { target, denials, written, consequences }: Outcome,
): Promise<void> {
  const { keyring, deliveries } = written
  const verdicts = await reportDeliveries(context, keyring, deliveries)
  const revoked = revocationsOf(keyring, target.kids)
  const longest = oldestCopy(policy)
  const lines = [
    ...revoked.map(({ kid, reason }) => `revoked: ${kid} (${printable(reason)})`),
    `signs: ${currentKey(keyring)?.kid}`,
    `next: ${nextKey(keyring)?.kid}`,
    ...(longest > 0
      ? [
          `elsewhere: a cached copy of the JWKS lets old tokens pass for up to ${formatDuration(longest)}`,
        ]
      : []),
  ]
  const data = {
    revoked: revoked.map(revocationData),
    denials,
    cached_elsewhere_seconds: longest,
    risks: consequences.risks,
  }
  reportStep(context, { verb: 'revoke', changed: true, lines, keyring, verdicts, data })
}

function revocationsOf(keyring: Keyring, kids: readonly string[]): readonly Revocation[] {
  return keyring.revocations.filter(({ kid }) => kids.includes(kid))
}

function revocationData({ kid, at, reason }: Revocation): object {
  return { kid, at: formatInstant(at), reason }
}
