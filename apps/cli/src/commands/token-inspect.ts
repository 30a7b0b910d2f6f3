import {
  AuthError,
  defineExpected,
  importKeySet,
  isJsonObject,
  type JsonObject,
  type KeySet,
  nowSeconds,
  parseJsonObject,
  verifyToken,
} from '@keyturn/auth-core'
import { definePolicy } from '@keyturn/auth-core/signing'
import { CliError, usageError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchIssuerJwks } from '../issuer-client.ts'
import { printable } from '../output.ts'
import { formatTable } from '../table.ts'
import { formatMoment } from '../times.ts'
import type { Verb } from '../verb.ts'

/** A token taken apart, of which nothing is proven. */
interface Decoded {
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** Whether a token holds; `undefined` where no issuer is known, so that nothing was proven. */
interface Verdict {
  readonly valid: boolean | undefined
  readonly detail: string
  readonly exit: ExitCode
  readonly code?: string
}

const TIMES = ['iat', 'nbf', 'exp', 'auth_time'] as const

/** Shows what a token from standard input says, and whether it holds under the issuer's keys. */
export const inspectToken: Verb<{ readonly audience?: readonly string[] }> = async (
  context,
  { audience = [] },
) => {
  const token = (await context.readStdin('token')).trim()
  const decoded = decode(token)
  const verdict = await judgeToken(context, { token, claims: decoded.claims, audience })
  const now = nowSeconds(context.clock)
  const times = TIMES.flatMap((name): [string, string][] => {
    const at = decoded.claims[name]
    const known = typeof at === 'number' && Math.abs(at) < 8.64e12
    return known ? [[name, formatMoment(at, now)]] : []
  })
  const { style } = context.output
  const paint = { true: style.good, false: style.bad, undefined: style.wait }[`${verdict.valid}`]
  context.output.result(
    [
      ...section('header', decoded.header),
      ...section('claims', decoded.claims),
      ...formatTable(times),
      paint(printable(verdict.detail)),
    ],
    { ...decoded, times: Object.fromEntries(times), verdict: verdictData(verdict) },
  )
  return verdict.exit
}

function verdictData({ valid, detail, code }: Verdict): object {
  return { valid: valid ?? null, detail, ...(code !== undefined && { code }) }
}

interface Judged {
  readonly token: string
  readonly claims: JsonObject
  readonly audience: readonly string[]
}

async function judgeToken(context: Context, judged: Judged): Promise<Verdict> {
  if (context.settings.issuer === undefined) {
    const detail = 'decoded, not verified: nothing of this is proven (set KEYTURN_ISSUER to verify)'
    return { valid: undefined, detail, exit: EXIT.ok }
  }
  try {
    await verify(context, judged)
  } catch (error) {
    if (error instanceof CliError) {
      const detail = `decoded, not verified: ${error.message}`
      return { valid: undefined, detail, exit: error.exit, code: error.code }
    }
    if (!(error instanceof AuthError)) throw error
    const detail = `refused: ${error.code}: expected that ${error.message}`
    return { valid: false, detail, exit: EXIT.refused, code: error.code }
  }
  const suffix = judged.audience.length > 0 ? '' : ' (the audience was not judged: pass --audience)'
  return { valid: true, detail: `valid: signature, issuer and times hold${suffix}`, exit: EXIT.ok }
}

async function verify(context: Context, { token, claims, audience }: Judged): Promise<void> {
  const issuer = context.settings.requireIssuer()
  const own = [claims.aud]
    .flat()
    .filter((aud): aud is string => typeof aud === 'string' && aud !== '')
  const named = audience.length > 0 ? audience : own
  const keySet = await importKeySet(await fetchIssuerJwks(context))
  await verifyToken(token, {
    resolveKey: (kid) => findKey(keySet, kid),
    // A token without any audience fails on its form before this one is compared.
    expected: defineExpected({
      issuer,
      audience: named.length > 0 ? named : issuer,
      clockTolerance: definePolicy(context.settings.policyOptions).clockTolerance,
    }),
    now: nowSeconds(context.clock),
  })
}

function findKey({ keys, revoked }: KeySet, kid: string) {
  if (revoked.has(kid)) throw new AuthError('key_revoked', 'the key is not revoked', { kid })
  const key = keys.get(kid)
  if (!key) throw new AuthError('key_unknown', 'the key is in the JWKS of the issuer', { kid })
  return key
}

/** Decodes more than a verifier takes, so that a token that is refused can be looked at. */
function decode(token: string): Decoded {
  if (token === '') {
    throw usageError(
      'no token is given',
      'send it to standard input: keyturn token inspect < token.txt',
    )
  }
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map((segment) => parseJsonObject(Buffer.from(segment, 'base64url')))
  if (isJsonObject(header) && isJsonObject(claims)) return { header, claims }
  throw new CliError('refused', 'token_malformed', 'this is not a JWT', {
    why: ['expected three base64url segments with a header and claims in JSON'],
  })
}

function section(title: string, content: JsonObject): readonly string[] {
  const lines = JSON.stringify(content, undefined, 2).split('\n').map(printable)
  return [`${title} ${lines[0]}`, ...lines.slice(1)]
}
