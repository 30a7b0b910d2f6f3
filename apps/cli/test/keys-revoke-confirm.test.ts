import { PassThrough } from 'node:stream'
import { systemClock } from '@keyturn/auth-core'
import { currentKey } from '@keyturn/auth-core/signing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { revokeKeys } from '../src/commands/keys-revoke.ts'
import { connect } from '../src/connect.ts'
import type { Context } from '../src/context.ts'
import { createOutput } from '../src/output.ts'
import { readSettings } from '../src/settings.ts'
import { askLine } from '../src/terminal.ts'
import { type Holder, startHolder } from './doubles.ts'
import { initialise, startWorld, type World } from './world.ts'

let world: World
let issuer: Holder
let said: string
let questions: string[]

beforeAll(async () => {
  world = await startWorld()
  const pingPublicKeys = await initialise(world)
  issuer = await startHolder({ name: 'issuer', store: world.store, pingPublicKeys })
})
afterAll(async () => {
  await issuer.close()
  await world.stop()
})
beforeEach(() => {
  said = ''
  questions = []
})

/** A command on a terminal at which somebody types `answer`. */
function atTerminal(answer: string): Context {
  const env = { ...world.env, KEYTURN_ISSUER: issuer.url }
  const settings = readSettings({ flags: {}, env })
  const stream = {
    write: (text: string) => {
      said += text
    },
  }
  return {
    output: createOutput({ stdout: stream, stderr: stream, env, json: false, verbose: false }),
    settings,
    env,
    folder: world.folder,
    clock: systemClock,
    fetch,
    readStdin: () => Promise.reject(new Error('nothing is read')),
    isTerminal: true,
    ask: async (question) => {
      questions.push(question)
      return answer
    },
    openInfisical: () => connect({ variables: settings.infisicalVariables, clock: systemClock }),
  }
}

const current = async () => currentKey((await world.store.read()).keyring)?.kid ?? ''

describe('at a terminal, keys revoke', () => {
  it.each(['', 'y', 'yes', 'all'])(
    'does nothing where %j is typed, and says what would follow',
    async (answer) => {
      const kid = await current()
      const before = await world.store.read()
      await expect(revokeKeys(atTerminal(answer), { reason: 'leak' }, [kid])).rejects.toMatchObject(
        { exit: 3, code: 'not_confirmed' },
      )
      expect(said).toContain(`${kid} signs now;`)
      expect(questions).toEqual([`Nothing takes this back. Type ${kid} to revoke: `])
      expect(issuer.pings).toEqual([])
      expect(await world.store.read()).toEqual(before)
    },
  )

  it('wants the word all for --all, and says who would refuse what before it asks', async () => {
    const context = { ...atTerminal(await current()), ask: askAndFreeze }
    const policy = { ...context.settings, policyOptions: {} }
    const run = revokeKeys({ ...context, settings: policy }, { reason: 'leak', all: true }, [])
    await expect(run).rejects.toMatchObject({ code: 'not_confirmed' })
    expect(questions).toEqual(['Nothing takes this back. Type all to revoke: '])
    expect(saidBeforeAsked).toMatch(/caches elsewhere .* refuse every new token for up to 6 min/)
  })

  let saidBeforeAsked = ''
  async function askAndFreeze(question: string): Promise<string> {
    saidBeforeAsked = said
    questions.push(question)
    return await current()
  }

  it('goes on where the kid is typed', async () => {
    const kid = await current()
    await revokeKeys(atTerminal(kid), { reason: 'leak' }, [kid])
    expect(said).toContain(`revoked: ${kid} (leak)`)
    expect((await world.store.read()).keyring.revocations).toMatchObject([{ kid }])
  })

  it('asks nobody with --yes', async () => {
    await revokeKeys(atTerminal(''), { reason: 'leak', yes: true }, [await current()])
    expect(questions).toEqual([])
    expect((await world.store.read()).keyring.revocations).toHaveLength(2)
  })
})

describe('askLine', () => {
  it.each([
    ['abc\n', 'abc'],
    ['  abc \r\nsecond\n', 'abc'],
    ['without an end', 'without an end'],
    ['', ''],
  ])('reads %j as %j', async (typed, line) => {
    const input = new PassThrough()
    const written: string[] = []
    const output = { write: (text: string) => written.push(text) }
    const asked = askLine('Really? ', { input, output })
    input.end(typed)
    expect(await asked).toBe(line)
    expect(written.join('')).toBe(typed === '' ? 'Really? \n' : 'Really? ')
  })
})
