import type { Seconds } from '@keyturn/auth-core'

const UNITS: readonly (readonly [name: string, seconds: Seconds])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
]

/** An instant in ISO 8601, in whole seconds and UTC: `2026-11-21T11:44:03Z`. */
export function formatInstant(at: Seconds): string {
  return new Date(at * 1000).toISOString().replace('.000Z', 'Z')
}

/** A duration in its two largest units: `3 h 5 min`, `45 s`, `60 d`. */
export function formatDuration(duration: Seconds): string {
  const first = UNITS.findIndex(([, seconds]) => duration >= seconds)
  if (first < 0) return '0 s'
  let rest = Math.floor(duration)
  const parts: string[] = []
  for (const [name, seconds] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / seconds)
    rest -= count * seconds
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

/** An instant and how far it is from `now`: `2026-11-21T11:44:03Z (in 5 min)`, `… (5 min ago)`. */
export function formatMoment(at: Seconds, now: Seconds): string {
  const distance = formatDuration(Math.abs(at - now))
  return `${formatInstant(at)} (${at > now ? `in ${distance}` : `${distance} ago`})`
}
