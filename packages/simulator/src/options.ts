import { parseArgs } from 'node:util'
import type { SimulationOptions } from './simulate.ts'

/** What the command line asks for: one run, or several with seeds that follow one another. */
export interface CommandLine extends SimulationOptions {
  readonly seed: number
  readonly runs: number
}

export const USAGE = `usage: pnpm simulate [options]

  --seed N        the run; the same seed gives the same run (default 1)
  --runs N        how many runs, with seeds from N on (default 1)
  --rotations N   changes of the signing key in each run (default 1000)
  --verifiers N   half of them isolates, half plain readers (default 2000)
  --months N      virtual months after which a run ends at the latest
  --policy JSON   a policy instead of one drawn from the seed, as in KEYTURN_POLICY
`

/**
 * Reads the command line.
 *
 * @throws {TypeError} for what is not an option, or not a positive number
 */
export function parseCommandLine(args: readonly string[]): CommandLine | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '1' },
      rotations: { type: 'string', default: '1000' },
      verifiers: { type: 'string', default: '2000' },
      months: { type: 'string' },
      policy: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    seed: count('seed', values.seed),
    runs: count('runs', values.runs),
    rotations: count('rotations', values.rotations),
    verifiers: count('verifiers', values.verifiers),
    ...(values.months !== undefined && { days: 30 * count('months', values.months) }),
    ...(values.policy !== undefined && { policy: parsePolicy(values.policy) }),
  }
}

function count(name: string, text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new TypeError(`--${name} is a positive whole number`)
  return Number(text)
}

/** Its members are judged by `definePolicy`. */
function parsePolicy(text: string): NonNullable<SimulationOptions['policy']> {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError('--policy is a JSON object', { cause })
  }
}
