/** A kid, an RFC 7638 thumbprint in base64url, may begin with what begins an option. */
const DASHED_KID = /^-[A-Za-z0-9_-]{42}$/

/**
 * Lets a kid that begins with `-` be pasted like any other: such arguments go last, after `--`. A
 * command line that has a `--` of its own stays as it is.
 */
export function withDashedKids(argv: readonly string[]): readonly string[] {
  const kids = argv.filter((word) => DASHED_KID.test(word))
  if (kids.length === 0 || argv.includes('--')) return argv
  return [...argv.filter((word) => !DASHED_KID.test(word)), '--', ...kids]
}
