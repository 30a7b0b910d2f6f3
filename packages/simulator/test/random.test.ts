import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../src/random.ts'

describe('a stream of a seed', () => {
  it('is the same each time, and another one for another seed', () => {
    const read = (seed: number) => Array.from({ length: 50 }, createRandom(seed).next)
    expect(read(1)).toEqual(read(1))
    expect(read(1)).not.toEqual(read(2))
  })

  it('stays within its bounds', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: -50, max: 50 }),
        fc.nat(50),
        (seed, min, width) => {
          const random = createRandom(seed)
          const whole = random.int(min, min + width)
          expect(Number.isInteger(whole) && whole >= min && whole <= min + width).toBe(true)
          const share = random.next()
          expect(share >= 0 && share < 1).toBe(true)
        },
      ),
    )
  })

  it('is spread evenly', () => {
    const random = createRandom(7)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let draw = 0; draw < 20_000; draw++) {
      const bin = random.int(0, 9)
      counts[bin] = (counts[bin] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200)
  })

  it('forks into streams that do not depend on how far it was read', () => {
    const [fresh, used] = [createRandom(3), createRandom(3)]
    used.next()
    expect(used.fork('a').next()).toBe(fresh.fork('a').next())
    expect(fresh.fork('a').next()).not.toBe(fresh.fork('b').next())
  })

  it('picks each member sooner or later, and refuses to pick from nothing', () => {
    const random = createRandom(5)
    const picked = new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b', 'c'])))
    expect([...picked].sort()).toEqual(['a', 'b', 'c'])
    expect(() => random.pick([])).toThrow(TypeError)
  })
})
