import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const run = promisify(execFile)

/** Two runs one after the other, in a process of their own. */
async function simulateFrom(seed: number): Promise<string> {
  const args = ['--seed', seed, '--runs', 2, '--rotations', 250, '--verifiers', 2_000]
  const { stdout } = await run(process.execPath, [MAIN, ...args.map(String)])
  return stdout
}

it('1,000 rotations before 2,000 verifiers, under four kinds of weather, cost no valid token', async () => {
  const reports = (await Promise.all([simulateFrom(2026), simulateFrom(2028)])).join('')
  expect(reports.match(/^seed \d+: 25\d rotations in [\d.]+ virtual days$/gm)).toHaveLength(4)
  expect(reports.match(/^ {2}no promise was broken$/gm)).toHaveLength(4)
}, 240_000)

it('the command line says what it takes, and refuses the rest', async () => {
  const help = await run(process.execPath, [MAIN, '--help'])
  expect(help.stdout).toContain('usage: pnpm simulate')
  const refused = run(process.execPath, [MAIN, '--rotations', 'many'])
  await expect(refused).rejects.toMatchObject({ code: 2 })
  const policy = run(process.execPath, [MAIN, '--policy', '{"overlapWindow":1}'])
  await expect(policy).rejects.toMatchObject({ code: 2 })
})
