/** One entry of a refused validation, as zod 3 words it on the recorded server. */
export type ValidationEntry = Readonly<Record<string, unknown>>

/** Thrown by everything below the routes; {@link errorBody} is what the wire shows. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly error: string
  readonly entries: readonly ValidationEntry[] | undefined

  constructor(
    status: number,
    error: string,
    message: string,
    entries?: readonly ValidationEntry[],
  ) {
    super(message)
    this.status = status
    this.error = error
    this.entries = entries
  }
}

/** `{ statusCode, message, error }`, where `message` is an array for a refused validation. */
export function errorBody(error: ApiError): object {
  return {
    statusCode: error.status,
    message: error.entries ?? error.message,
    error: error.error,
  }
}

const unauthorized = (message: string) => new ApiError(401, 'UnauthorizedError', message)
const badRequest = (message: string, name = 'BadRequest') => new ApiError(400, name, message)
const notFound = (message: string, name = 'NotFound') => new ApiError(404, name, message)
const tokenError = (message: string) => new ApiError(403, 'TokenError', message)

/** Every answer that is not a success, in the words of the recorded server. */
export const refuse = {
  validation: (entries: readonly ValidationEntry[]) =>
    new ApiError(401, 'ValidationFailure', 'validation failed', entries),
  internal: () => new ApiError(500, 'InternalServerError', 'Something went wrong'),
  rateLimited: () =>
    new ApiError(429, 'RateLimitExceeded', 'Rate limit exceeded. Please try again in 1 minute'),

  tokenMissing: () => unauthorized('Token missing'),
  tokenMalformed: () =>
    tokenError(
      'The provided access token is malformed. Please use a valid token or generate a new one and try again.',
    ),
  tokenUnsigned: () => tokenError('jwt signature is required'),
  tokenBadSignature: () => tokenError('invalid signature'),
  tokenBadAlgorithm: () =>
    tokenError(
      'The access token is signed with an invalid algorithm. Please provide a valid token and try again.',
    ),
  tokenExpired: () => tokenError('Your token has expired. Please re-authenticate.'),
  tokenUnknown: () => unauthorized('No identity access token found'),
  tokenPastTtl: () => unauthorized('Failed to renew MI access token due to TTL expiration'),
  tokenPastMaxTtl: () =>
    unauthorized('Failed to renew MI access token past its Max TTL expiration'),
  tokenUsesReached: () =>
    unauthorized('Unable to renew because access token number of uses limit reached'),
  tokenNotOfIdentity: () => badRequest('Only identity access tokens can be renewed'),

  clientUnknown: () => notFound('No identity with specified client ID was found'),
  invalidCredentials: () => unauthorized('Invalid credentials'),
  clientSecretExpired: () => unauthorized('Access denied due to expired client secret'),
  clientSecretUsesReached: () =>
    unauthorized('Access denied due to client secret usage limit reached'),

  permission: (action: string, subject: string) =>
    new ApiError(403, 'PermissionDenied', `You are not allowed to ${action} on ${subject}`),
  usersOnly: (url: string) =>
    new ApiError(403, `Forbidden access to ${url}`, 'You are not allowed to access this resource'),
  notMember: () =>
    new ApiError(
      403,
      'Identity is not a member of the specified project',
      'You are not allowed to access this resource',
    ),

  projectUnknown: (id: string) => notFound(`Project with ID '${id}' not found`),
  projectSlugUnknown: (slug: string) => notFound(`Project with slug '${slug}' not found`),
  projectSlugTaken: (slug: string) => badRequest(`Project with slug '${slug}' already exists`),
  projectOfSecretsUnknown: (id: string) =>
    notFound(
      `Project with ID '${id}' not found during bot lookup. Are you sure you are using the correct project ID?`,
    ),
  projectMissing: () => badRequest('You must provide workspaceSlug or workspaceId'),
  environmentMissing: () => badRequest('Missing environment'),
  environmentUnknown: (slug: string, projectId: string, name?: string) =>
    notFound(`Environment with slug '${slug}' in project with ID '${projectId}' not found`, name),
  environmentTaken: (slug: string) =>
    badRequest(`Environment with slug '${slug}' already exist`, 'CreateEnvironment'),
  folderUnknown: (path: string, environment: string, name: string) =>
    notFound(
      `Folder with path '${path}' in environment with slug '${environment}' not found`,
      name,
    ),

  secretUnknown: (secretName: string, name?: string) =>
    notFound(`Secret with name '${secretName}' not found`, name),
  secretToUpdateUnknown: (secretName: string) =>
    notFound(`Secret with name ${secretName} not found`),
  secretTaken: () => badRequest('Secret already exist'),
  secretNewNameTaken: () => badRequest('Secret with the new name already exist'),
  secretsTaken: (names: readonly string[]) =>
    badRequest(`Secret already exist: ${names.join(',')}`),
  // The recorded server lists the names that it did find.
  secretsToUpdateUnknown: (found: readonly string[]) =>
    notFound(`Secret does not exist: ${found.join(',')}`),
  secretsToDeleteUnknown: (found: readonly string[]) =>
    notFound(`One or more secrets does not exist: ${found.join(', ')}`),
  personalSecret: () => badRequest('Must be user to create personal secret'),
  referenceForbidden: (secretName: string, environment: string, path: string) =>
    new ApiError(
      403,
      'ForbiddenError',
      `You are attempting to reference secret named ${secretName} from environment ${environment} in path ${path} which you do not have access to.`,
    ),

  identityUnknown: (id: string) => notFound(`Identity with ID '${id}' not found`),
  universalAuthTaken: () =>
    badRequest('Failed to add universal auth to already configured identity'),
  universalAuthUnknown: () => badRequest('The identity does not have universal auth'),
  ttlAboveMaxTtl: () => badRequest('Access token TTL cannot be greater than max TTL'),
  membershipTaken: (identityId: string, projectId: string) =>
    badRequest(`Identity with ID ${identityId} already exists in project with ID ${projectId}`),
  membershipUnknown: (identityId: string) =>
    notFound(`Failed to find identity with ID ${identityId}`),
  roleUnknown: (slug: string) => notFound(`Role with slug '${slug}' not found`),
  roleTaken: () => badRequest('Role already exist', 'Create Role'),
  privilegeTaken: () => badRequest('Additional privilege of provided slug exist'),
  webhookUnknown: (id: string) => notFound(`Webhook with ID '${id}' not found`),
} as const
