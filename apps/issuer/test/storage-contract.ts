import { describe, expect, it } from 'vitest'
import type { Client } from '../src/clients/client.ts'
import { digestSecret } from '../src/clients/secret.ts'
import type { Storage } from '../src/storage/storage.ts'

const client = (clientId: string, rest: Partial<Client> = {}): Client => ({
  clientId,
  name: `name of ${clientId}`,
  scopes: ['read', 'write'],
  audiences: ['https://a.example', 'urn:b'],
  createdAt: 1_795_000_000,
  ...rest,
})

const secret = (text: string) => ({ sha256: digestSecret(text), createdAt: 1_795_000_000 })

/** What every adapter of `Storage` has to do. `open` answers an empty storage. */
export function storageContract(name: string, open: () => Promise<Storage>): void {
  describe(`${name} as a storage`, () => {
    it('finds a client as it was added, with its secret', async () => {
      const storage = await open()
      await storage.clients.add(client('a'), secret('s'))
      const found = await storage.clients.find('a')
      expect(found?.client).toEqual(client('a'))
      expect(found?.secrets).toHaveLength(1)
      expect(Buffer.from(found?.secrets[0]?.sha256 ?? [])).toEqual(Buffer.from(digestSecret('s')))
      await storage.close()
    })

    it('finds nothing for an id that was never added', async () => {
      const storage = await open()
      expect(await storage.clients.find('nobody')).toBeUndefined()
      await storage.close()
    })

    it('keeps ids and names with quotes, unicode and SQL apart', async () => {
      const storage = await open()
      const odd = ["a'; DROP TABLE clients; --", 'ä%+:', 'A', 'a']
      for (const id of odd) await storage.clients.add(client(id, { name: `"${id}" ✓` }), secret(id))
      for (const id of odd) {
        expect((await storage.clients.find(id))?.client.name).toBe(`"${id}" ✓`)
      }
      await storage.close()
    })

    it('refuses an id that is taken and leaves the first client as it is', async () => {
      const storage = await open()
      await storage.clients.add(client('a'), secret('first'))
      await expect(
        storage.clients.add(client('a', { name: 'other' }), secret('second')),
      ).rejects.toThrow()
      expect((await storage.clients.find('a'))?.client.name).toBe('name of a')
      await storage.close()
    })

    it('adds neither client nor secret where the secret is refused', async () => {
      const storage = await open()
      const broken = { sha256: new Uint8Array(31), createdAt: 1 }
      await expect(storage.clients.add(client('a'), broken)).rejects.toThrow()
      expect(await storage.clients.find('a')).toBeUndefined()
      await storage.close()
    })

    it('lists every client, oldest first', async () => {
      const storage = await open()
      await storage.clients.add(client('young', { createdAt: 20 }), secret('1'))
      await storage.clients.add(client('old', { createdAt: 10 }), secret('2'))
      expect((await storage.clients.list()).map(({ clientId }) => clientId)).toEqual([
        'old',
        'young',
      ])
      await storage.close()
    })

    it('disables a client once and says whether it exists', async () => {
      const storage = await open()
      await storage.clients.add(client('a'), secret('s'))
      expect(await storage.clients.disable('a', 100)).toBe(true)
      expect(await storage.clients.disable('a', 200)).toBe(true)
      expect((await storage.clients.find('a'))?.client.disabledAt).toBe(100)
      expect(await storage.clients.disable('b', 100)).toBe(false)
      await storage.close()
    })

    it('says that it can be written, and no longer after it was closed', async () => {
      const storage = await open()
      await expect(storage.check()).resolves.toBeUndefined()
      await storage.close()
      await expect(storage.check()).rejects.toThrow()
    })
  })
}
