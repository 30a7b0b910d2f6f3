import { describe, expect, it } from 'vitest'
import { createNarrator, formatTable } from '../src/narrator.ts'

describe('the narrator', () => {
  function narrate(colour: boolean): {
    lines: string[]
    narrator: ReturnType<typeof createNarrator>
  } {
    const lines: string[] = []
    let nowMs = 1_000
    const narrator = createNarrator({
      write: (line) => lines.push(line),
      colour,
      nowMs: () => {
        nowMs += 500
        return nowMs
      },
    })
    return { lines, narrator }
  }

  it('writes no escape sequence where there is no terminal', () => {
    const { lines, narrator } = narrate(false)
    narrator.heading('title')
    narrator.say('something')
    narrator.verdict(false, 'not so')
    expect(lines.join('\n')).not.toContain('\x1b')
    expect(lines).toEqual(['\ntitle', '  0.5 s  something', '  1.0 s  FAIL not so'])
  })

  it('colours verdicts on a terminal', () => {
    const { lines, narrator } = narrate(true)
    narrator.verdict(true, 'so')
    expect(lines[0]).toContain('\x1b[32mok  \x1b[0m so')
  })
})

describe('formatTable', () => {
  it('aligns columns, numbers and times to the right', () => {
    const rows = [
      ['phase', 'sent', 'after'],
      ['keys flip', '7', '9 ms'],
      ['total', '1200', ''],
    ]
    expect(formatTable(rows)).toEqual([
      'phase      sent  after',
      'keys flip     7   9 ms',
      'total      1200',
    ])
  })
})
