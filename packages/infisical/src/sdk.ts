import { AsyncLocalStorage } from 'node:async_hooks'
import type { InfisicalSDK } from '@infisical/sdk'
import { InfisicalError, isInfisicalError } from './errors.ts'
import type { Transport, TransportRequest } from './transport.ts'

/** The official SDK, running on a {@link Transport}. */
export interface BoundSdk {
  /**
   * The SDK itself. Its own errors keep no status and no code: prefer {@link BoundSdk.run} where
   * the reason of a failure matters.
   */
  readonly client: InfisicalSDK
  /**
   * Runs calls of the SDK and throws what the transport threw, where the SDK wraps it in an error
   * of its own.
   *
   * `onAnswer` sees the JSON of every answer, of which the SDK gives back only parts (never the
   * `expiresIn` of a login).
   */
  run<T>(
    operation: (client: InfisicalSDK) => Promise<T>,
    onAnswer?: (answer: unknown) => void,
  ): Promise<T>
}

/** What one `run` has seen: the SDK rewraps errors, and only their message survives. */
interface Trace {
  readonly onAnswer: ((answer: unknown) => void) | undefined
  readonly errors: InfisicalError[]
}

/** The members of the SDK's private API client that the seam replaces and reads, as of 5.0.2. */
interface ApiClient {
  request: (
    method: TransportRequest['method'],
    path: string,
    body?: string,
    config?: { readonly params?: Readonly<Record<string, unknown>> },
  ) => Promise<unknown>
  readonly defaultHeaders: Readonly<Record<string, string>>
}

const traces = new AsyncLocalStorage<Trace>()

/**
 * Makes a new instance of the official SDK and replaces the one method through which all its calls
 * pass, `request` of its private API client. So redirects, deadlines, retries, custom headers and
 * the JSON checks are the transport's. The SDK is loaded at the first call, as it costs about
 * 60 ms and 20 MB.
 *
 * An instance whose token is lost cannot log in again: make a new one.
 *
 * Not covered: `awsIamAuth`, which asks Amazon's metadata service by itself.
 *
 * @throws {InfisicalError} `sdk_unsupported` where the installed version has no such seam
 */
export async function createSdk(transport: Transport): Promise<BoundSdk> {
  const { InfisicalSDK } = await import('@infisical/sdk')
  const client = new InfisicalSDK({ siteUrl: transport.siteUrl })
  const apiClient = apiClientOf(client)
  apiClient.request = async (method, path, body, config) => {
    const trace = traces.getStore()
    try {
      const answer = await transport.request({
        method,
        path,
        query: config?.params ?? {},
        ...(body !== undefined && { body: JSON.parse(body) }),
        token: apiClient.defaultHeaders.Authorization?.replace(/^Bearer /, ''),
      })
      trace?.onAnswer?.(answer)
      return answer
    } catch (error) {
      if (isInfisicalError(error)) trace?.errors.push(error)
      throw error
    }
  }
  return { client, run: (operation, onAnswer) => runTraced(client, operation, onAnswer) }
}

async function runTraced<T>(
  client: InfisicalSDK,
  operation: (client: InfisicalSDK) => Promise<T>,
  onAnswer?: (answer: unknown) => void,
): Promise<T> {
  const trace: Trace = { onAnswer, errors: [] }
  try {
    return await traces.run(trace, () => operation(client))
  } catch (error) {
    if (!(error instanceof Error) || !error.name.startsWith('InfisicalSDK')) throw error
    const below = trace.errors.find(({ message }) => message === error.message)
    const message = 'expected an answer that the official SDK understands'
    throw below ?? new InfisicalError('unexpected_answer', message, { cause: error })
  }
}

function apiClientOf(client: InfisicalSDK): ApiClient {
  // The member is private to TypeScript only; the contract test pins the version it was read in.
  const { apiClient } = client as unknown as { readonly apiClient?: Partial<ApiClient> }
  if (typeof apiClient?.request !== 'function' || typeof apiClient.defaultHeaders !== 'object') {
    const message = 'expected @infisical/sdk 5.0.2, whose API client has one request method'
    throw new InfisicalError('sdk_unsupported', message)
  }
  return apiClient as ApiClient
}
