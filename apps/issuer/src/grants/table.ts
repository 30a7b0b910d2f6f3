import { TokenRefusal } from '../wire-errors.ts'
import { clientCredentials } from './client-credentials.ts'
import type { Grant } from './grant.ts'

const GRANTS: ReadonlyMap<string, Grant> = new Map([['client_credentials', clientCredentials]])

/** The grant types that exist here, as discovery lists them. */
export const GRANT_TYPES: readonly string[] = [...GRANTS.keys()]

/**
 * Finds the grant of a request.
 *
 * @throws {TokenRefusal} `grant_type_missing`, `grant_type_unknown`
 */
export function findGrant(grantType: string | undefined): Grant {
  if (grantType === undefined) throw new TokenRefusal('grant_type_missing')
  const grant = GRANTS.get(grantType)
  if (!grant) throw new TokenRefusal('grant_type_unknown')
  return grant
}
