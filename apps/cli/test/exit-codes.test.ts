import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { EXIT, EXIT_MEANINGS } from '../src/exit-codes.ts'

describe('exit codes', () => {
  it('never change their numbers', () => {
    expect(EXIT).toEqual({
      ok: 0,
      unexpected: 1,
      usage: 2,
      refused: 3,
      unreachable: 4,
      moved: 5,
      approval: 6,
    })
  })

  it('stand in the README as the help has them', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
    const rows = readme.replace(/ +/g, ' ')
    for (const [code, meaning] of Object.entries(EXIT_MEANINGS)) {
      expect(rows).toContain(`| ${code} | ${meaning} |`)
    }
  })
})
