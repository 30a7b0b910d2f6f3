import { InfisicalError } from './errors.ts'
import { type AccessGrant, parseGrant } from './grant.ts'
import { type BoundSdk, createSdk } from './sdk.ts'
import type { Transport } from './transport.ts'

/** How an identity proves itself to Infisical. */
export type Credentials =
  | {
      readonly method: 'universal-auth'
      readonly clientId: string
      readonly clientSecret: string
    }
  | {
      /** A token that somebody else obtained. It cannot be replaced when it ends. */
      readonly method: 'token'
      readonly token: string
    }

/** The name of a login method, as health pages and metrics show it. */
export type LoginMethodName = Credentials['method']

/** An SDK instance that carries a token, and what is known about that token. */
export interface LoggedIn {
  readonly sdk: BoundSdk
  readonly grant: AccessGrant
}

/** One way to log in. */
export interface LoginMethod<C extends Credentials> {
  /** Whether the credentials can obtain another token after this one. */
  readonly repeatable: boolean
  login(transport: Transport, credentials: C): Promise<LoggedIn>
}

/** The table of login methods: one more method is one more entry. */
export const loginMethods: {
  readonly [M in LoginMethodName]: LoginMethod<Extract<Credentials, { method: M }>>
} = {
  'universal-auth': {
    repeatable: true,
    login: (transport, { clientId, clientSecret }) =>
      obtain(transport, (sdk, onAnswer) =>
        sdk.run(
          (client) => client.auth().universalAuth.login({ clientId, clientSecret }),
          onAnswer,
        ),
      ),
  },
  token: {
    repeatable: false,
    login: async (transport, { token }) => {
      const sdk = await createSdk(transport)
      sdk.client.auth().accessToken(token)
      return { sdk, grant: { token, ttl: 0, maxTtl: 0 } }
    },
  },
}

/**
 * Exchanges the token for a longer-lived one. Newer servers answer with a new string, older ones
 * with the same; either way a new SDK instance carries what came back, and calls under way keep
 * theirs.
 *
 * @throws {InfisicalError} as any call; `token_lost` where it was too late
 */
export function renewGrant(transport: Transport, { token }: AccessGrant): Promise<LoggedIn> {
  return obtain(transport, (sdk, onAnswer) => {
    sdk.client.auth().accessToken(token)
    return sdk.run((client) => client.auth().universalAuth.renew(), onAnswer)
  })
}

async function obtain(
  transport: Transport,
  ask: (sdk: BoundSdk, onAnswer: (answer: unknown) => void) => Promise<unknown>,
): Promise<LoggedIn> {
  const sdk = await createSdk(transport)
  let grant: AccessGrant | undefined
  await ask(sdk, (answer) => {
    grant = parseGrant(answer)
  })
  if (!grant) throw new InfisicalError('unexpected_answer', 'expected the login to be answered')
  return { sdk, grant }
}
