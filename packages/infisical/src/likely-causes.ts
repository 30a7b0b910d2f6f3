import type { RefusalReason } from './answers.ts'
import { type InfisicalErrorCode, isInfisicalError } from './errors.ts'
import type { Credentials } from './login-methods.ts'

/** What was tried, as far as the caller knows it. Ids and names appear in the causes; credentials are looked at and never shown. */
export interface AttemptContext {
  readonly siteUrl?: string
  readonly projectId?: string
  readonly environment?: string
  readonly path?: string
  readonly credentials?: Credentials
  /** The custom headers that were sent. */
  readonly headers?: Readonly<Record<string, string>>
}

type Causes = (
  context: AttemptContext,
  details: Readonly<Record<string, unknown>>,
) => readonly string[]

const REGIONS: Readonly<Record<string, string>> = {
  'app.infisical.com': 'https://eu.infisical.com',
  'us.infisical.com': 'https://eu.infisical.com',
  'eu.infisical.com': 'https://app.infisical.com',
}

/**
 * Names what probably went wrong in a failed login or call, the likeliest first, each with what to
 * do about it. Empty for an error that is not one of Infisical's, and where the message says all.
 */
export function likelyCauses(error: unknown, context: AttemptContext = {}): readonly string[] {
  if (!isInfisicalError(error)) return []
  return CAUSES[error.code]?.(context, error.details) ?? []
}

const CAUSES: Partial<Record<InfisicalErrorCode, Causes>> = {
  invalid_credentials: (context, { reason }) => [
    ...whiteSpace(context.credentials),
    ...(REASON_CAUSES[reason as RefusalReason]?.(context) ?? []),
    ...(reason === undefined
      ? [
          'the client secret is wrong, revoked, expired or used up: create a new one for the identity',
        ]
      : []),
    ...(reason === undefined || reason === 'unknown_client' ? [wrongServer(context.siteUrl)] : []),
    ...(reason === undefined ? ['the client id belongs to another identity: compare both'] : []),
  ],
  invalid_request: ({ credentials }) => [
    ...whiteSpace(credentials),
    'the server is of another version and wants other members: compare its version with the supported ones',
  ],
  locked: () => [
    'too many failed logins locked the identity for a while: stop every process that still uses the old secret, wait, then try once',
  ],
  untrusted_ip: () => [
    "this machine's address is not among the identity's trusted IPs: add it in the identity's settings",
    'a proxy hides the address of this machine: look at what the server receives as x-forwarded-for',
  ],
  token_lost: ({ credentials, siteUrl }) =>
    credentials?.method === 'token'
      ? [
          'the static INFISICAL_TOKEN has ended or was revoked: configure a client id and secret, which are renewed',
          wrongServer(siteUrl),
        ]
      : [
          'the token was revoked, or its number of uses is limited: look at the settings of the identity',
          'two servers with different keys answer at this address: send every request to one of them',
        ],
  forbidden: (context) => [
    `the identity may not do this in ${place(context)}: grant the permission for that path`,
    `there is no environment ${context.environment ?? 'of that name'}, which servers report like a missing permission: compare its slug`,
    'the identity is not a member of the project: add it there',
  ],
  not_found: (context, { reason }) =>
    reason === 'missing_project'
      ? [
          `there is no project ${context.projectId ?? 'of that id'} on this server: compare INFISICAL_PROJECT_ID with the project's settings`,
          wrongServer(context.siteUrl),
        ]
      : [
          `the secret or its folder is missing in ${place(context)}: compare the path, then run keyturn init`,
          'the address is not that of an Infisical server, or has a path too many: compare the server URL',
        ],
  access_blocked: ({ headers }) => [accessHeaders(headers)],
  not_json: ({ siteUrl, headers }) => [
    `something other than Infisical answers at ${siteUrl ?? 'that address'}: compare the server URL`,
    accessHeaders(headers),
  ],
  redirected: ({ headers }) => [
    'the server URL has the wrong scheme or host: use the address at which the server answers by itself, most often https',
    accessHeaders(headers),
  ],
  unreachable: (_, { systemCode }) => [
    SYSTEM_CAUSES[String(systemCode)] ?? 'the server is down or restarting: try again',
    'a firewall or proxy is between this machine and the server: try curl from the same machine',
  ],
  timeout: () => [
    'the server is overloaded or hangs: look at its health',
    'a firewall drops the packets: try curl from the same machine',
  ],
  server_error: () => ['the server or its database has a fault: look at its log'],
  rate_limited: () => [
    'other processes behind the same address use up the limit, which counts per address: wait, or raise it',
  ],
}

const REASON_CAUSES: Partial<
  Record<RefusalReason, (context: AttemptContext) => readonly string[]>
> = {
  unknown_client: () => ['the server does not know this client id: compare it with the identity'],
  expired_secret: () => ['the client secret has expired: create a new one for the identity'],
  exhausted_secret: () => [
    'the client secret has a limit of uses, which is reached: create one without a limit',
  ],
}

const SYSTEM_CAUSES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host name of the server URL does not exist: look for a typing error',
  EAI_AGAIN: 'the name server does not answer: look at the DNS of this machine or container',
  ECONNREFUSED: 'no server listens at that address and port: look whether it runs',
  CERT_HAS_EXPIRED: "the server's certificate has expired: renew it",
  DEPTH_ZERO_SELF_SIGNED_CERT:
    "the server's certificate is self-signed: give its authority to Node with NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN:
    "the server's authority is private: give it to Node with NODE_EXTRA_CA_CERTS",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the server's authority is unknown or a certificate of the chain is missing: give it to Node with NODE_EXTRA_CA_CERTS",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the server's certificate is for another host: compare the server URL",
}

function whiteSpace(credentials: Credentials | undefined): readonly string[] {
  const named =
    credentials?.method === 'universal-auth'
      ? { 'client id': credentials.clientId, 'client secret': credentials.clientSecret }
      : {}
  return Object.entries(named)
    .filter(([, value]) => /\s/.test(value))
    .map(
      ([name]) => `the ${name} has white space in or around it: copy it anew, without the line end`,
    )
}

function wrongServer(siteUrl: string | undefined): string {
  const other = REGIONS[siteUrl && URL.canParse(siteUrl) ? new URL(siteUrl).host : '']
  return other
    ? `the identity lives in the other region or on an own server: set INFISICAL_SERVER_URL, perhaps to ${other}`
    : `the identity lives on another server than ${siteUrl ?? 'this one'}: compare INFISICAL_SERVER_URL`
}

function accessHeaders(headers: AttemptContext['headers'] = {}): string {
  const sent = Object.keys(headers).some((name) => /^cf-access-client-/i.test(name))
  return sent
    ? 'Cloudflare Access refuses the service token of the custom headers: look whether it has expired, and whether a Service Auth policy includes it'
    : 'the server is behind Cloudflare Access: set INFISICAL_CUSTOM_HEADERS to CF-Access-Client-Id=… CF-Access-Client-Secret=…'
}

function place({ projectId, environment, path }: AttemptContext): string {
  const parts = [
    path && `folder ${path}`,
    environment && `environment ${environment}`,
    projectId && `project ${projectId}`,
  ].filter(Boolean)
  return parts.length > 0 ? parts.join(' of ') : 'that place'
}
