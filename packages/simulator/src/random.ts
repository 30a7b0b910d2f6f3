/** A stream of numbers that follows from its seed alone. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number
  /** min ≤ x < max. */
  between(min: number, max: number): number
  /** A whole number, both ends included. */
  int(min: number, max: number): number
  /** true with probability `p`. */
  chance(p: number): boolean
  pick<T>(list: readonly T[]): T
  /** Another stream, which does not depend on how far this one has been read. */
  fork(name: string): Random
}

/** Makes the stream of a seed (sfc32, which passes PractRand; seeded by FNV-1a and 16 rounds). */
export function createRandom(seed: number | string): Random {
  const text = String(seed)
  let [a, b, c, count] = [fnv1a(`${text}/a`), fnv1a(`${text}/b`), fnv1a(`${text}/c`), 1]

  function next(): number {
    const sum = (((a + b) | 0) + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 4_294_967_296
  }
  for (let round = 0; round < 16; round++) next()

  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    between: (min, max) => min + next() * (max - min),
    int,
    chance: (p) => next() < p,
    pick(list) {
      const picked = list[int(0, list.length - 1)]
      if (picked === undefined) throw new TypeError('a list to pick from is not empty')
      return picked
    },
    fork: (name) => createRandom(`${text}/${name}`),
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash
}
