import { jwksDigest, type PublicJwks } from '@keyturn/auth-core'
import {
  currentKey,
  flipOpensAt,
  type Keyring,
  nextKey,
  publishJwks,
} from '@keyturn/auth-core/signing'
import { CliError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { fetchIssuerJwks } from '../issuer-client.ts'
import { judge } from '../propagate.ts'
import { openRotation } from '../rotation.ts'
import { type Cell, formatTable } from '../table.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** One line of the check. */
interface Finding {
  readonly ok: boolean
  readonly where: string
  readonly what: string
}

/**
 * Proves that a flip is safe: current and next key are in Infisical with matching private halves,
 * in the JWKS that the issuer serves, and with the issuer and every registered edge, asked live.
 * Not judged: whether the propagation window has passed, which is told.
 */
export const checkKeys: Verb<object> = async (context) => {
  context.settings.requireIssuer()
  const rotation = await openRotation(context)
  const { keyring } = rotation.read
  const [served, deliveries] = await Promise.all([
    findServed(context, keyring),
    rotation.announce(keyring),
  ])
  const verdicts = await judge(keyring, deliveries)
  const findings: readonly Finding[] = [
    ...findStored(keyring),
    ...served,
    ...verdicts.map(({ name, holds, detail }) => ({ ok: holds, where: name, what: detail })),
  ]
  const ok = findings.every((finding) => finding.ok)
  const { style } = context.output
  const rows = findings.map((finding): Cell[] => [
    finding.ok ? ['ok', style.good] : ['FAIL', style.bad],
    finding.where,
    finding.what,
  ])
  const now = rotation.now()
  const opensAt = flipOpensAt(nextKey(keyring)?.jwk.iat ?? now, rotation.policy)
  const gateLine = `the propagation window of the next key ends at ${formatMoment(opensAt, now)}`
  context.output.result(
    [
      ...formatTable(rows),
      ...(nextKey(keyring) ? [gateLine] : []),
      ok ? style.good('a flip is safe once that time has come') : style.bad('a flip is not safe'),
    ],
    { ok, revision: keyring.revision, findings },
  )
  return ok ? EXIT.ok : EXIT.refused
}

/** The keyring was parsed, which proves that each private half signs what its public half verifies. */
function findStored(keyring: Keyring): readonly Finding[] {
  return (['current', 'next'] as const).map((status) => {
    const key = status === 'current' ? currentKey(keyring) : nextKey(keyring)
    const what = key
      ? `${status} key ${key.kid}, and its private half matches`
      : `there is no ${status} key`
    return { ok: key !== undefined, where: 'Infisical', what }
  })
}

async function findServed(context: Context, keyring: Keyring): Promise<readonly Finding[]> {
  const where = 'issuer JWKS'
  let jwks: PublicJwks
  try {
    jwks = await fetchIssuerJwks(context)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return [{ ok: false, where, what: error.message }]
  }
  const wanted = publishJwks(keyring)
  const named = [currentKey(keyring), nextKey(keyring)].flatMap((key) => (key ? [key.kid] : []))
  const missing = named.filter((kid) => !jwks.keys.some((key) => key.kid === kid))
  const equal = (await jwksDigest(jwks)) === (await jwksDigest(wanted))
  return [
    ...missing.map((kid) => ({ ok: false, where, what: `${kid} is not published` })),
    equal
      ? { ok: true, where, what: `the same ${wanted.keys.length} keys as in Infisical` }
      : { ok: false, where, what: 'its keys differ from those in Infisical' },
  ]
}
