/** One contender: a name and one operation. */
export interface Contender {
  readonly name: string
  run(): unknown
}

/** What a contender reached, in microseconds for one operation. */
export interface Figure {
  readonly name: string
  readonly medianUs: number
  /** Median of the ratios to the first contender, round by round. */
  readonly ratio: number
}

/**
 * Measures contenders side by side: short rounds in turn, so that what the machine does meanwhile
 * meets all of them, and the median of the ratios of each round.
 */
export async function measure(
  contenders: readonly Contender[],
  { rounds = 60, perRound = 300 }: { readonly rounds?: number; readonly perRound?: number } = {},
): Promise<readonly Figure[]> {
  const times = contenders.map((): number[] => [])
  for (let round = -5; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const started = performance.now()
      for (let turn = 0; turn < perRound; turn++) await contender.run()
      const us = ((performance.now() - started) * 1000) / perRound
      if (round >= 0) times[index]?.push(us)
    }
  }
  const base = times[0] ?? []
  return contenders.map(({ name }, index) => {
    const mine = times[index] ?? []
    const ratios = mine.map((us, round) => us / (base[round] ?? us))
    return { name, medianUs: median(mine), ratio: median(ratios) }
  })
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** Prints figures as a table of Markdown. */
export function printTable(title: string, figures: readonly Figure[]): void {
  console.log(`\n### ${title}\n\n| contender | µs (median) | ratio |\n|---|---:|---:|`)
  for (const { name, medianUs, ratio } of figures) {
    console.log(`| ${name} | ${medianUs.toFixed(1)} | ${ratio.toFixed(3)} |`)
  }
}
