import {
  AuthError,
  type Clock,
  nowSeconds,
  type Ping,
  parsePingKeys,
  type SignedPing,
} from '@keyturn/auth-core'
import { createPingSigner, type PingSigner } from '@keyturn/auth-core/signing'
import type { KeyPool } from './key-pool.ts'
import type { Rules } from './rules.ts'

/** The key under which pings are signed, and one that somebody else has. */
export interface PingOffice {
  readonly issuer: string
  readonly signer: PingSigner
  /** The signer of somebody who would like to be believed. */
  readonly forger: PingSigner
  /** Verifies a ping by the receiver's clock. @throws {AuthError} `ping_invalid`, `ping_stale` */
  open(signed: SignedPing, clock: Clock): Promise<{ readonly id: string; readonly ping: Ping }>
}

/** Makes both keys. */
export async function createPingOffice(deps: {
  readonly issuer: string
  readonly rules: Rules
  readonly pool: KeyPool
}): Promise<PingOffice> {
  const { issuer, rules, pool } = deps
  const [signer, forger] = [await createSigner(pool), await createSigner(pool)]
  const keys = await parsePingKeys(signer.publicKey)

  return {
    issuer,
    signer,
    forger,
    open: ({ headers, body }, clock) =>
      rules.verifyPing(
        {
          id: headers['webhook-id'],
          timestamp: headers['webhook-timestamp'],
          signature: headers['webhook-signature'],
          body,
        },
        { keys, issuer, now: nowSeconds(clock) },
      ),
  }
}

async function createSigner(pool: KeyPool): Promise<PingSigner> {
  const { privateJwk } = await pool.take(0)
  if (!privateJwk) throw new AuthError('jwk_invalid', 'a key of the pool has its private half')
  return await createPingSigner(privateJwk)
}
