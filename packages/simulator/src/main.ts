#!/usr/bin/env node
import { describeReport } from './describe.ts'
import { type CommandLine, parseCommandLine, USAGE } from './options.ts'
import { createProgress } from './progress.ts'
import { simulate } from './simulate.ts'

/** Runs one seed after the other; answers the exit code. */
async function run({ runs, ...options }: CommandLine): Promise<number> {
  for (let seed = options.seed; seed < options.seed + runs; seed++) {
    const progress = createProgress(process.stderr, { total: options.rotations, nowMs: Date.now })
    const report = await simulate({ ...options, seed, onProgress: progress.show })
    progress.end()
    process.stdout.write(describeReport(report))
    if (report.violation) return 1
  }
  return 0
}

try {
  const commandLine = parseCommandLine(process.argv.slice(2))
  if (commandLine === 'help') process.stdout.write(USAGE)
  else process.exitCode = await run(commandLine)
} catch (error) {
  if (!(error instanceof TypeError) && !(error instanceof Error && error.name === 'AuthError'))
    throw error
  process.stderr.write(`${error.message}\n\n${USAGE}`)
  process.exitCode = 2
}
