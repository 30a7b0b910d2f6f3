import { InfisicalError, type Secret } from '@keyturn/infisical'
import { describe, expect, it } from 'vitest'
import { createInfisicalReader } from '../src/keys/infisical-reader.ts'
import { createLog } from '../src/telemetry/log.ts'
import { makeKeyring, T0 } from './world.ts'

const forbidden = () =>
  Promise.reject(new InfisicalError('forbidden', 'expected the right to read'))
const propagation = { edges: [], webhookSecrets: ['s'] }

async function start({
  read,
  readPropagation = async () => propagation,
  listed = [],
}: {
  read?: () => Promise<never>
  readPropagation?: () => Promise<typeof propagation>
  listed?: readonly Pick<Secret, 'name' | 'value' | 'updatedAt'>[]
} = {}) {
  const keyring = await makeKeyring()
  const lines: string[] = []
  const asked: string[] = []
  const reader = createInfisicalReader({
    store: {
      read: read ?? (async () => ({ keyring, notes: ['a note'], versions: {} })),
      readPropagation,
    },
    secrets: {
      list: async (path) => {
        asked.push(path)
        return listed.map((secret) => ({ path, version: 1, comment: '', ...secret }))
      },
    },
    log: createLog('trace', { write: (line) => void lines.push(line) }),
  })
  return { reader, keyring, lines, asked }
}

describe('reading the keyring from Infisical', () => {
  it('brings keyring, notes and propagation', async () => {
    const { reader, keyring } = await start()
    expect(await reader.read()).toEqual({ keyring, notes: ['a note'], propagation })
  })

  it('brings the keyring also where edges and ping key cannot be read, and logs why', async () => {
    const { reader, keyring, lines } = await start({ readPropagation: forbidden })
    expect(await reader.read()).toEqual({ keyring, notes: ['a note'] })
    expect(lines.join()).toContain('"code":"forbidden"')
  })

  it('rejects with what the store says of the keyring', async () => {
    const { reader } = await start({ read: forbidden })
    await expect(reader.read()).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('lists revocations by kid, at the time they were written, and leaves other names out', async () => {
    const { reader, asked } = await start({
      listed: [
        { name: 'a-kid', value: 'whatever', updatedAt: T0 * 1000 + 999 },
        { name: 'not a kid', value: '', updatedAt: T0 * 1000 },
      ],
    })
    expect(await reader.readRevocations()).toMatchObject([{ kid: 'a-kid', at: T0 }])
    expect(asked).toEqual(['/auth/revoked'])
  })
})
