/** The Worker's variables and secrets in tests. */
export const WORKER_VARS = {
  ISSUER: 'https://issuer.test',
  JWKS_URL: 'https://origin.test/.well-known/jwks.json',
  AUDIENCE: 'https://api.test, https://other.test',
  PING_PUBLIC_KEYS: 'whpk_NGyZE8h4eowao3IHjBKHlXYyqXNoNxAbB0x4JYDEfFU=',
  ACCESS_CLIENT_ID: 'edge.access',
  ACCESS_CLIENT_SECRET: 'access-secret-of-tests',
  CLOCK_DIFFERENCE: '1',
  ROUTES: JSON.stringify([
    { path: '/api/*' },
    { path: '/scoped', methods: ['GET'], scope: ['reports:read', 'reports:write'] },
    { path: '/narrow', audience: 'https://narrow.test' },
    { path: '/up/*', upstream: 'https://upstream.test/base' },
  ]),
}
