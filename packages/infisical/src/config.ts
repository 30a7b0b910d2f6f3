import { parseCustomHeaders } from './custom-headers.ts'
import { InfisicalError } from './errors.ts'
import type { Credentials } from './login-methods.ts'
import { parseSiteUrl } from './site-url.ts'

/** Everything that reaching Infisical takes. */
export interface InfisicalConfig {
  readonly siteUrl: string
  readonly projectId: string
  /** The slug of the environment. */
  readonly environment: string
  /** Sent with every call; empty where there are none. */
  readonly headers: Readonly<Record<string, string>>
  readonly credentials: Credentials
  /**
   * True where only a static INFISICAL_TOKEN was found. It ends without being replaced: callers log
   * a warning.
   */
  readonly staticToken: boolean
}

/** Who logs in: the issuer, or an operator at the command line. */
export type InfisicalPurpose = 'token-service' | 'operator'

/** Environment variables, as `process.env` has them. Empty counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_SITE_URL = 'https://app.infisical.com'
const SITE_URL_VARIABLES = ['INFISICAL_SERVER_URL', 'INFISICAL_DOMAIN', 'INFISICAL_API_URL']

type Pair = readonly [clientId: string, clientSecret: string]
const COMMON: Pair = [
  'INFISICAL_UNIVERSAL_AUTH_CLIENT_ID',
  'INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET',
]
const PAIRS: Readonly<Record<InfisicalPurpose, readonly Pair[]>> = {
  'token-service': [['UA_CLIENT_ID_TOKEN_SERVICE', 'UA_CLIENT_SECRET_TOKEN_SERVICE'], COMMON],
  operator: [COMMON],
}

/**
 * Reads the variables:
 *
 * | what | variables, the first that is set |
 * |---|---|
 * | server | INFISICAL_SERVER_URL, INFISICAL_DOMAIN, INFISICAL_API_URL, https://app.infisical.com |
 * | project | INFISICAL_PROJECT_ID |
 * | environment | INFISICAL_ENVIRONMENT, `prod` |
 * | headers | INFISICAL_CUSTOM_HEADERS |
 * | identity of `token-service` | UA_CLIENT_ID_TOKEN_SERVICE with UA_CLIENT_SECRET_TOKEN_SERVICE, then as below |
 * | identity of `operator` | INFISICAL_UNIVERSAL_AUTH_CLIENT_ID with _CLIENT_SECRET, INFISICAL_TOKEN |
 *
 * White space around ids and secrets is kept: a server that refuses them gets a better explanation
 * from {@link likelyCauses} than a silent repair could give.
 *
 * @throws {InfisicalError} `invalid_config`; where variables are missing, `details.missing` names
 *   them. One half of a pair is an error, never a reason to try the next
 */
export function readInfisicalConfig(
  env: Environment,
  { purpose }: { readonly purpose: InfisicalPurpose },
): InfisicalConfig {
  const read = (name: string) => env[name] || undefined
  const credentials = readCredentials(read, PAIRS[purpose])
  const projectId = read('INFISICAL_PROJECT_ID')
  const missing = [
    ...(projectId === undefined ? ['INFISICAL_PROJECT_ID'] : []),
    ...('missing' in credentials ? credentials.missing : []),
  ]
  if (projectId === undefined || 'missing' in credentials) {
    throw new InfisicalError('invalid_config', `expected to be set: ${missing.join(', ')}`, {
      missing,
    })
  }
  const siteUrlVariable = SITE_URL_VARIABLES.find(read)
  return {
    siteUrl: parseSiteUrl(read(siteUrlVariable ?? '') ?? DEFAULT_SITE_URL, siteUrlVariable),
    projectId,
    environment: read('INFISICAL_ENVIRONMENT') ?? 'prod',
    headers: parseCustomHeaders(read('INFISICAL_CUSTOM_HEADERS') ?? ''),
    credentials,
    staticToken: credentials.method === 'token',
  }
}

function readCredentials(
  read: (name: string) => string | undefined,
  pairs: readonly Pair[],
): Credentials | { readonly missing: readonly string[] } {
  const pair = pairs.find((names) => names.some(read))
  if (!pair) {
    const token = read('INFISICAL_TOKEN')
    return token === undefined ? { missing: pairs[0] ?? [] } : { method: 'token', token }
  }
  const [clientId, clientSecret] = [read(pair[0]), read(pair[1])]
  if (clientId === undefined || clientSecret === undefined) {
    return { missing: pair.filter((name) => !read(name)) }
  }
  return { method: 'universal-auth', clientId, clientSecret }
}
