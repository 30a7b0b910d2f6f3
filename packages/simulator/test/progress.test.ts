import { expect, it } from 'vitest'
import { createProgress } from '../src/progress.ts'

function terminal(isTTY: boolean) {
  const written: string[] = []
  return { isTTY, written, write: (text: string) => written.push(text) }
}

it('draws a bar on a terminal, ten times in a second at most, and takes it away', () => {
  const stream = terminal(true)
  let nowMs = 0
  const progress = createProgress(stream, { total: 4, nowMs: () => nowMs })
  progress.show(0)
  progress.show(1)
  nowMs = 2_000
  progress.show(2)
  progress.end()
  expect(stream.written).toHaveLength(3)
  expect(stream.written[1]).toBe(`\r${'█'.repeat(15)}${'░'.repeat(15)} 2/4 rotations, 2 s`)
  expect(stream.written[2]).toBe('\r\u001b[2K')
})

it('shows nothing elsewhere', () => {
  const stream = terminal(false)
  const progress = createProgress(stream, { total: 4, nowMs: () => 0 })
  progress.show(2)
  progress.end()
  expect(stream.written).toEqual([])
})
