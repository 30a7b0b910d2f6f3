import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../src/options.ts'

describe('the command line', () => {
  it('has a default for everything', () => {
    expect(parseCommandLine([])).toEqual({ seed: 1, runs: 1, rotations: 1000, verifiers: 2000 })
  })

  it('takes the seed, the size, the length and a policy', () => {
    const args = ['--seed', '7', '--runs=3', '--rotations', '5', '--verifiers', '40', '--months=2']
    expect(parseCommandLine([...args, '--policy', '{"jwksMaxAge":60}'])).toEqual({
      seed: 7,
      runs: 3,
      rotations: 5,
      verifiers: 40,
      days: 60,
      policy: { jwksMaxAge: 60 },
    })
    expect(parseCommandLine(['--help'])).toBe('help')
  })

  it('refuses what it does not know, and numbers that count nothing', () => {
    for (const args of [['--sede', '7'], ['--seed', '-1'], ['--rotations', '0'], ['--months=x']]) {
      expect(() => parseCommandLine(args)).toThrow(TypeError)
    }
    expect(() => parseCommandLine(['--policy', '{'])).toThrow(TypeError)
  })
})
