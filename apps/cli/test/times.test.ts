import { describe, expect, it } from 'vitest'
import { formatDuration, formatInstant, formatMoment } from '../src/times.ts'

describe('times', () => {
  it.each([
    [0, '0 s'],
    [0.9, '0 s'],
    [1, '1 s'],
    [59, '59 s'],
    [60, '1 min'],
    [61, '1 min 1 s'],
    [3_599, '59 min 59 s'],
    [3_600, '1 h'],
    [3_601, '1 h'],
    [86_400 * 60, '60 d'],
    [86_400 + 3_600 * 2 + 59, '1 d 2 h'],
  ])('writes %d s as %s', (duration, text) => {
    expect(formatDuration(duration)).toBe(text)
  })

  it('writes an instant in UTC without milliseconds', () => {
    expect(formatInstant(1_795_261_443)).toBe('2026-11-21T11:44:03Z')
  })

  it('tells the past from the future, to the second', () => {
    expect(formatMoment(1_000, 999)).toContain('(in 1 s)')
    expect(formatMoment(1_000, 1_000)).toContain('(0 s ago)')
    expect(formatMoment(1_000, 1_001)).toContain('(1 s ago)')
  })
})
