import { usageError } from './cli-error.ts'
import type { ProjectFile } from './project-file.ts'

/** Environment variables. An empty one counts as absent. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The options that every command takes. */
export interface GlobalOptions {
  readonly env?: string
  readonly projectId?: string
  readonly domain?: string
  readonly issuer?: string
  readonly json?: boolean
  readonly verbose?: boolean
}

/** Where a setting comes from: a flag, else a variable, else `.infisical.json`. */
export interface SettingSources {
  readonly flags: GlobalOptions
  readonly env: Variables
  readonly projectFile?: ProjectFile | undefined
}

/** What the commands are configured with. A getter of something that has to be there may throw. */
export interface Settings {
  /** The environment with flags and `.infisical.json` laid over and under it, for Infisical. */
  readonly infisicalVariables: Variables
  /** Exactly what `iss` is compared with; absent where it is not configured. */
  readonly issuer: string | undefined
  /** @throws {CliError} usage, where it is not configured */
  requireIssuer(): string
  readonly adminUrl: string
  readonly adminToken: string | undefined
  /** `KEYTURN_POLICY` as an object that is not checked further; `{}` where it is absent. */
  readonly policyOptions: Readonly<Record<string, unknown>>
}

const DEFAULT_ADMIN_URL = 'http://127.0.0.1:4001'

/**
 * Brings flags, environment and `.infisical.json` together.
 *
 * @throws {CliError} usage, for a URL or a policy that is malformed
 */
export function readSettings({ flags, env, projectFile }: SettingSources): Settings {
  const issuer = checkedUrl(flags.issuer ?? present(env.KEYTURN_ISSUER), 'KEYTURN_ISSUER')
  return {
    infisicalVariables: infisicalVariables({ flags, env, projectFile }),
    issuer,
    requireIssuer() {
      if (issuer !== undefined) return issuer
      throw usageError(
        'the URL of the issuer is not known',
        'set KEYTURN_ISSUER, or pass --issuer URL',
      )
    },
    adminUrl: checkedUrl(present(env.KEYTURN_ADMIN_URL), 'KEYTURN_ADMIN_URL') ?? DEFAULT_ADMIN_URL,
    adminToken: present(env.KEYTURN_ADMIN_TOKEN),
    policyOptions: parsePolicyOptions(present(env.KEYTURN_POLICY)),
  }
}

/**
 * Checks an address that something is sent to.
 *
 * @throws {CliError} usage, for anything but an http(s) URL without credentials, query and fragment
 */
export function checkUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw usageError(`${name} is an http or https URL`)
  }
  if (url.username || url.password || url.search || url.hash) {
    throw usageError(`${name} is a URL without credentials, query and fragment`)
  }
  return text
}

/** The URL of `path` below a base URL that may end in a slash. */
export function urlBelow(base: string, path: string): string {
  return base.replace(/\/+$/, '') + path
}

function infisicalVariables({ flags, env, projectFile }: SettingSources): Variables {
  const domainIsSet = ['INFISICAL_SERVER_URL', 'INFISICAL_DOMAIN', 'INFISICAL_API_URL'].some(
    (name) => present(env[name]) !== undefined,
  )
  return {
    ...env,
    ...(!domainIsSet && projectFile?.domain && { INFISICAL_API_URL: projectFile.domain }),
    ...(flags.domain && { INFISICAL_SERVER_URL: flags.domain }),
    INFISICAL_PROJECT_ID:
      flags.projectId ?? present(env.INFISICAL_PROJECT_ID) ?? projectFile?.workspaceId,
    INFISICAL_ENVIRONMENT:
      flags.env ?? present(env.INFISICAL_ENVIRONMENT) ?? projectFile?.defaultEnvironment,
  }
}

function checkedUrl(text: string | undefined, name: string): string | undefined {
  return text === undefined ? undefined : checkUrl(text, name)
}

function parsePolicyOptions(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Falls through: text that is no JSON is refused like JSON that is no object.
  }
  throw usageError('KEYTURN_POLICY is a JSON object of seconds, such as {"overlapWindow":7200}')
}

function present(value: string | undefined): string | undefined {
  const text = value?.trim()
  return text === '' ? undefined : text
}
