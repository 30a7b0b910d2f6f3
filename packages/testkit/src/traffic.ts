/** What became of the requests of one phase. */
export interface Tally {
  sent: number
  accepted: number
  /** A valid request whose handler did not run, whatever the status but 503. */
  refused: number
  /** A valid request that was answered 503. */
  unavailable: number
  /** Tokens that were asked for, and those that were not handed out. */
  minted: number
  mintFailures: number
}

/** A client that keeps minting tokens and keeps using them, the oldest that lives above all. */
export interface Traffic {
  /** Starts counting under another name. */
  phase(name: string): void
  /** The counts by phase, in order. */
  readonly tallies: ReadonlyMap<string, Tally>
  /** The first refusals, in words. */
  readonly refusals: readonly string[]
  /** When a token of this kid was first accepted at the edge, in ms since the epoch. */
  firstAccepted(kid: string): number | undefined
  stop(): Promise<void>
}

export interface TrafficOptions {
  readonly issuer: string
  /** A verified route. */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  readonly requestsPerSecond: number
}

/** A token that was handed out. `exp` in seconds since the epoch. */
export interface LiveToken {
  readonly token: string
  readonly kid: string
  readonly exp: number
}

const MINT_EVERY_MS = 500
/** A token in its last second may end on the way. */
const LAST_SECOND_MS = 1_000

/** Starts the traffic. Every other request bears the oldest token that lives, the others the newest. */
export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const tallies = new Map<string, Tally>()
  const refusals: string[] = []
  const accepted = new Map<string, number>()
  const pending = new Set<Promise<void>>()
  let tokens: readonly LiveToken[] = []
  let tally = begin('before the rotation')
  let turn = 0

  function begin(name: string): Tally {
    const fresh = { sent: 0, accepted: 0, refused: 0, unavailable: 0, minted: 0, mintFailures: 0 }
    tallies.set(name, tallies.get(name) ?? fresh)
    return tallies.get(name) ?? fresh
  }

  async function mint(): Promise<void> {
    const counts = tally
    counts.minted += 1
    const answer = await requestToken(options)
    if (typeof answer === 'string') {
      counts.mintFailures += 1
      note(`the issuer answered ${answer}`)
    } else tokens = [...tokens.filter(isAlive), answer]
  }

  async function use(): Promise<void> {
    const live = tokens.filter(isAlive)
    const chosen = turn++ % 2 === 0 ? live[0] : live.at(-1)
    if (!chosen) return
    const counts = tally
    counts.sent += 1
    const response = await fetch(options.url, {
      headers: { authorization: `Bearer ${chosen.token}` },
    }).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.status === 200) {
      counts.accepted += 1
      if (!accepted.has(chosen.kid)) accepted.set(chosen.kid, Date.now())
    } else if (response?.status === 503) {
      counts.unavailable += 1
      note(`503 for a token of ${chosen.kid}`)
    } else {
      counts.refused += 1
      note(`${response?.status ?? 'no answer'} for a token of ${chosen.kid}`)
    }
  }

  function note(text: string): void {
    if (refusals.length < 10) refusals.push(text)
  }

  function keep(work: Promise<void>): void {
    pending.add(work)
    void work.finally(() => pending.delete(work))
  }

  await mint()
  const minting = setInterval(() => keep(mint()), MINT_EVERY_MS)
  const using = setInterval(() => keep(use()), 1000 / options.requestsPerSecond)
  return {
    phase: (name) => {
      tally = begin(name)
    },
    tallies,
    refusals,
    firstAccepted: (kid) => accepted.get(kid),
    stop: async () => {
      clearInterval(minting)
      clearInterval(using)
      await Promise.all(pending)
    },
  }
}

/** The sum of all phases. */
export function totalOf(tallies: Iterable<Tally>): Tally {
  const total = { sent: 0, accepted: 0, refused: 0, unavailable: 0, minted: 0, mintFailures: 0 }
  for (const tally of tallies) {
    for (const name of Object.keys(total) as (keyof Tally)[]) total[name] += tally[name]
  }
  return total
}

function isAlive({ exp }: LiveToken): boolean {
  return Date.now() + LAST_SECOND_MS < exp * 1000
}

/** Asks for a token; a text says what came in its place. */
export async function requestToken({
  issuer,
  clientId,
  clientSecret,
}: Pick<TrafficOptions, 'issuer' | 'clientId' | 'clientSecret'>): Promise<LiveToken | string> {
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64')
  try {
    const response = await fetch(`${issuer}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    if (!response.ok) return String(response.status)
    const { access_token: token } = (await response.json()) as { access_token: string }
    const [header = '', payload = ''] = token.split('.')
    const { kid } = decode<{ kid: string }>(header)
    const { exp } = decode<{ exp: number }>(payload)
    return { token, kid, exp }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function decode<T>(segment: string): T {
  return JSON.parse(Buffer.from(segment, 'base64url').toString()) as T
}
