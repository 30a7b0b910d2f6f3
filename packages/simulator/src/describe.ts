import type { Report } from './simulate.ts'

/** A report for people: what ran, what was seen, and, after a failure, the events that led to it. */
export function describeReport(report: Report): string {
  const { seed, scenario, tally, violation } = report
  const { policy, faults } = scenario
  const verifiers = scenario.isolates + scenario.readers
  const present = Object.entries(faults).filter(([, value]) => value !== 0 && value !== false)
  const lines = [
    `seed ${seed}: ${report.rotations} rotations in ${report.days.toFixed(1)} virtual days`,
    `  parts       ${scenario.rotators} rotators, ${scenario.issuers} issuers, ${verifiers} verifiers in ${scenario.locations} locations and 4 regions`,
    `  policy      ${Object.entries(policy).map(join).join(' ')}`,
    `  faults      ${present.map(join).join(' ') || 'none'}`,
    `  tokens      ${tally.verifications} verifications, ${tally.accepted} accepted`,
    `  refused     ${tally.hostile} stolen or invented, ${tally.ended} past their end, ${tally.revoked} of revoked keys, ${tally.emergency} of keys that had to sign before their time`,
    `  503         ${tally.unavailable} without usable keys, ${tally.undecided} at isolates cut off from the hub`,
    `  digest      ${report.digest}`,
  ]
  if (!violation) return `${lines.join('\n')}\n  no promise was broken\n`
  return [
    ...lines,
    `  BROKEN      ${violation.promise}: ${violation.detail}`,
    '  the last events:',
    ...report.lastEvents.map((line) => `    ${line}`),
    `  again with: pnpm simulate --seed ${seed} --verifiers ${verifiers}`,
    '',
  ].join('\n')
}

function join([name, value]: readonly [string, unknown]): string {
  return `${name}=${value}`
}
