import { isKid } from '@keyturn/auth-core'
import { FOLDERS, type KeyringStore, type Secrets } from '@keyturn/infisical'
import { describeError, type Logger } from '../telemetry/log.ts'
import type { KeyringReader, Propagation } from './keyring-reader.ts'

/**
 * Reads the keyring from Infisical. What concerns propagation alone may fail: that is logged, and the
 * keyring is read all the same.
 */
export function createInfisicalReader({
  store,
  secrets,
  log,
}: {
  readonly store: Pick<KeyringStore, 'read' | 'readPropagation'>
  readonly secrets: Pick<Secrets, 'list'>
  readonly log: Logger
}): KeyringReader {
  async function readPropagation(): Promise<Propagation | undefined> {
    try {
      return await store.readPropagation()
    } catch (error) {
      log.warn({ error: describeError(error) }, 'edges and ping key could not be read')
      return undefined
    }
  }

  return {
    async read() {
      const [{ keyring, notes }, propagation] = await Promise.all([store.read(), readPropagation()])
      return { keyring, notes, ...(propagation && { propagation }) }
    },
    async readRevocations() {
      const found = await secrets.list(FOLDERS.revoked)
      return found
        .filter(({ name }) => isKid(name))
        .map(({ name, updatedAt }) => ({
          kid: name,
          at: Math.floor(updatedAt / 1000),
          reason: 'listed beside a keyring that could not be read',
        }))
    },
  }
}
