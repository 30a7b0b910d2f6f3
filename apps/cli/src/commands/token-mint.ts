import { usageError } from '../cli-error.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { requestToken } from '../issuer-client.ts'
import type { Verb } from '../verb.ts'

/** What a token is asked for. */
export interface MintOptions {
  readonly clientId?: string
  readonly scope?: readonly string[]
  readonly audience?: readonly string[]
}

/** Asks the issuer for an access token and prints it, and nothing else. */
export const mintToken: Verb<MintOptions> = async (context, { clientId, scope, audience }) => {
  context.settings.requireIssuer()
  const id = clientId ?? context.env.KEYTURN_CLIENT_ID
  if (!id) throw usageError('no client is named', 'set KEYTURN_CLIENT_ID, or pass --client-id ID')
  const answer = await requestToken(context, {
    clientId: id,
    clientSecret: await readSecret(context),
    scope: scope ?? [],
    audience: audience ?? [],
  })
  context.output.result([answer.access_token], answer)
  return EXIT.ok
}

async function readSecret(context: Context): Promise<string> {
  const { KEYTURN_CLIENT_SECRET: fromEnvironment } = context.env
  if (fromEnvironment) return fromEnvironment
  const secret = (await context.readStdin('client secret')).trim()
  if (secret !== '') return secret
  throw usageError(
    'no client secret is given',
    'set KEYTURN_CLIENT_SECRET, or send the secret to standard input',
  )
}
