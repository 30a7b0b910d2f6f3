import { definePolicy, type Policy } from '@keyturn/auth-core/signing'
import { z } from 'zod'

/** What the issuer is told by its environment, besides Infisical's own variables. */
export interface Config {
  /** The `iss` of every token, exactly as configured. */
  readonly issuer: string
  /** Where verifiers read the keys: the edge's URL where one is configured. */
  readonly jwksUri: string
  readonly public: Address
  readonly private: Address
  /** Demanded of every private request where it is set. */
  readonly privateToken?: string
  /** Path of the SQLite file, or `:memory:`. */
  readonly database: string
  readonly policy: Policy
  readonly pollSeconds: number
  readonly logLevel: LogLevel
}

/** Where a listener is bound. Port 0 takes a free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

/** A configuration, or everything that is wrong with it, one sentence each. */
export type ParsedConfig =
  | { readonly config: Config; readonly problems?: never }
  | { readonly problems: readonly string[]; readonly config?: never }

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/

/** Whether a host name or literal address means this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'is a port number')
  .transform(Number)
  .refine((value) => value <= 65_535, 'is a port number')

const issuer = z.string().refine(isIssuer, {
  message:
    'is an origin without path, query or fragment: https, or http on a loopback host (RFC 8414 section 2)',
})

const url = z
  .string()
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    message: 'is an http or https URL',
  })

const policy = z.string().transform((text, context): Policy => {
  try {
    const value: unknown = JSON.parse(text)
    return definePolicy(z.record(z.string(), z.unknown()).parse(value))
  } catch (error) {
    const why = error instanceof SyntaxError || error instanceof z.ZodError ? undefined : error
    const reason = why instanceof Error ? why.message : 'is a JSON object of durations in seconds'
    context.addIssue({ code: 'custom', message: reason })
    return z.NEVER
  }
})

const environment = z
  .object({
    KEYTURN_ISSUER: issuer,
    KEYTURN_JWKS_URI: url.optional(),
    KEYTURN_HOST: z.string().default('127.0.0.1'),
    KEYTURN_PORT: port.default(4000),
    KEYTURN_PRIVATE_HOST: z.string().default('127.0.0.1'),
    KEYTURN_PRIVATE_PORT: port.default(4001),
    KEYTURN_PRIVATE_TOKEN: z
      .string()
      .regex(/^[\x21-\x7e]{16,512}$/, 'has 16 to 512 printable ASCII characters')
      .optional(),
    KEYTURN_DATABASE: z.string().default('./keyturn.db'),
    KEYTURN_POLICY: policy.optional(),
    KEYTURN_POLL_SECONDS: z
      .string()
      .regex(/^[1-9]\d{0,4}$/, 'is 1 to 99999 whole seconds')
      .transform(Number)
      .default(60),
    LOG_LEVEL: z.enum(LOG_LEVELS, { error: `is one of ${LOG_LEVELS.join(', ')}` }).default('info'),
  })
  .superRefine((env, context) => {
    if (isLoopback(env.KEYTURN_PRIVATE_HOST) || env.KEYTURN_PRIVATE_TOKEN) return
    context.addIssue({
      code: 'custom',
      path: ['KEYTURN_PRIVATE_TOKEN'],
      message: 'is required where KEYTURN_PRIVATE_HOST is not a loopback host',
    })
  })

/**
 * Reads the environment. An empty variable counts as absent.
 *
 * Checks every variable and reports all problems at once, by name and never with the value of a
 * secret.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): ParsedConfig {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value))
  const parsed = environment.safeParse(present)
  if (!parsed.success) return { problems: parsed.error.issues.map(toProblem) }
  const found = parsed.data
  return {
    config: {
      issuer: found.KEYTURN_ISSUER,
      jwksUri: found.KEYTURN_JWKS_URI ?? endpoint(found.KEYTURN_ISSUER, '/.well-known/jwks.json'),
      public: { host: found.KEYTURN_HOST, port: found.KEYTURN_PORT },
      private: { host: found.KEYTURN_PRIVATE_HOST, port: found.KEYTURN_PRIVATE_PORT },
      ...(found.KEYTURN_PRIVATE_TOKEN && { privateToken: found.KEYTURN_PRIVATE_TOKEN }),
      database: found.KEYTURN_DATABASE,
      policy: found.KEYTURN_POLICY ?? definePolicy(),
      pollSeconds: found.KEYTURN_POLL_SECONDS,
      logLevel: found.LOG_LEVEL,
    },
  }
}

/** The URL of a path at an issuer, whether or not the issuer is written with its final slash. */
export function endpoint(issuer: string, path: string): string {
  return `${issuer.replace(/\/$/, '')}${path}`
}

function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || text.includes('?') || text.includes('#')) return false
  const { protocol, hostname, pathname, username, password } = new URL(text)
  if (pathname !== '/' || username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

function toProblem({ path, message, code }: z.core.$ZodIssue): string {
  const missing = code === 'invalid_type'
  return `${path.join('.')} ${missing ? 'is required' : message}`
}
