import { currentKey } from '@keyturn/auth-core/signing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holder, startHolder } from './doubles.ts'
import { initialise, registerEdges, startWorld, type World } from './world.ts'

let world: World
let issuer: Holder
let edge: Holder

beforeAll(async () => {
  world = await startWorld()
  const pingPublicKeys = await initialise(world)
  const { store } = world
  issuer = await startHolder({ name: 'issuer', store, pingPublicKeys })
  edge = await startHolder({ name: 'edge eu', store, pingPublicKeys, issuer: issuer.url })
  await registerEdges(world, [{ name: 'eu', url: edge.url }])
})
afterAll(async () => {
  await edge.close()
  await issuer.close()
  await world.stop()
})

/** Puts the kids of this world in their places. */
async function withKids(args: string): Promise<string> {
  const { keyring } = await world.store.read()
  return args
    .replace('CURRENT', currentKey(keyring)?.kid ?? 'none')
    .replace('REVOKED', keyring.revocations[0]?.kid ?? 'none')
}

/** Who is told at the same time answers in any order. */
function inOrder(stderr: string): string {
  const lines = stderr.split('\n')
  const told = lines.filter((line) => line.includes(' told in ')).sort()
  return lines.map((line) => (line.includes(' told in ') ? told.pop() : line)).join('\n')
}

/** What differs from run to run, in a form that does not: kids are numbered as they appear. */
function normalised(text: string): string {
  const kids = new Map<string, string>()
  return text
    .replaceAll(world.projectId, 'PROJECT')
    .replaceAll(issuer.url, 'http://ISSUER')
    .replaceAll(edge.url, 'http://EDGE')
    .replace(/whpk_[A-Za-z0-9+/]{43}=/g, 'whpk_KEY')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '2026-01-01T00:00:00Z')
    .replace(/\(in \d[^)]*\)/g, '(in SPAN)')
    .replace(/\(\d[^)]* ago\)/g, '(SPAN ago)')
    .replace(/(?<= )\d+ s$/gm, 'SPAN')
    .replace(/\b\d{13}\b/g, 'REVISION')
    .replace(/in \d+ ms/g, 'in N ms')
    .replace(/"ms": \d+/g, '"ms": N')
    .replace(/(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, (kid) => {
      kids.set(kid, kids.get(kid) ?? `KID-${kids.size + 1}-`.padEnd(43, '-'))
      return kids.get(kid) ?? kid
    })
}

async function transcript(line: string, env: Record<string, string> = {}): Promise<string> {
  const args = await withKids(line)
  const { code, stdout, stderr } = await world.run(args.split(' ').filter(Boolean), {
    env: { KEYTURN_ISSUER: issuer.url, KEYTURN_POLICY: '{}', ...env },
  })
  const error = stderr === '' ? '' : `--- stderr\n${inOrder(stderr)}`
  return normalised(`$ keyturn ${args}\n${stdout}${error}--- exit ${code}\n`)
}

/** In this order: the first `init` leaves an `.infisical.json`. */
const CASES: readonly {
  readonly file: string
  readonly args: string
  readonly env?: Record<string, string>
}[] = [
  { file: 'without-configuration', args: 'keys status', env: { INFISICAL_PROJECT_ID: '' } },
  { file: 'help', args: '--help' },
  { file: 'help-keys', args: 'keys --help' },
  { file: 'help-keys-flip', args: 'keys flip --help' },
  { file: 'help-keys-revoke', args: 'keys revoke --help' },
  { file: 'unknown-command', args: 'keys flop' },
  { file: 'unknown-option', args: 'keys flip --forse' },
  { file: 'unknown-command-json', args: 'keys flop --json' },
  { file: 'init-again', args: 'init' },
  { file: 'keys-status', args: 'keys status' },
  { file: 'keys-status-json', args: 'keys status --json' },
  { file: 'keys-stage-again', args: 'keys stage' },
  { file: 'keys-check', args: 'keys check' },
  { file: 'keys-check-json', args: 'keys check --json' },
  { file: 'keys-flip-closed', args: 'keys flip' },
  { file: 'keys-retire-nothing', args: 'keys retire' },
  { file: 'keys-restore-refused', args: 'keys restore' },
  { file: 'keys-without-issuer', args: 'keys flip', env: { KEYTURN_ISSUER: '' } },
  {
    file: 'policy-refused',
    args: 'keys status',
    env: { KEYTURN_POLICY: '{"overlapWindow":10}' },
  },
  { file: 'wrong-environment', args: 'keys status --env nowhere' },
  { file: 'token-without-client', args: 'token mint' },
  { file: 'keys-revoke-unknown', args: 'keys revoke nobody --reason leak --yes' },
  { file: 'keys-revoke-unconfirmed', args: 'keys revoke --all --reason leak' },
  { file: 'keys-revoke', args: 'keys revoke CURRENT --reason leak --yes' },
  { file: 'keys-revoke-again', args: 'keys revoke REVOKED --reason leak --yes' },
  { file: 'keys-revoke-all', args: 'keys revoke --all --reason break-in --yes' },
  { file: 'keys-revoke-json', args: 'keys revoke CURRENT --reason leak --yes --json' },
]

describe('transcripts', () => {
  it.each(CASES)('$file', async ({ file, args, env }) => {
    await expect(await transcript(args, env)).toMatchFileSnapshot(`transcripts/${file}.txt`)
  })
})
