import { Hono } from 'hono'
import { z } from 'zod'

import { type AppEnv, body, type Guard } from '../http.ts'
import type { Services } from '../services.ts'

const loginBody = z.object({ clientId: z.string().trim(), clientSecret: z.string().trim() })
const tokenBody = z.object({ accessToken: z.string().trim() })

/** Universal Auth: login, renewal and revocation of access tokens. */
export function authRoutes({ auth }: Services, guard: Guard): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .post('/universal-auth/login', guard('anyone', 'write'), async (c) => {
      const { clientId, clientSecret } = await body(c, loginBody)
      return c.json(auth.login(clientId, clientSecret))
    })
    .post('/token/renew', guard('anyone', 'write'), async (c) => {
      const { accessToken } = await body(c, tokenBody)
      return c.json(auth.renew(accessToken))
    })
    .post('/token/revoke', guard('anyone', 'write'), async (c) => {
      const { accessToken } = await body(c, tokenBody)
      auth.revoke(accessToken)
      return c.json({ message: 'Successfully revoked access token' })
    })
}
