import { EnvelopeError } from './envelope-error.ts'

/** From this many encryptions on a key is due to turn. */
export const ENCRYPTIONS_DUE: number = 2 ** 31

/**
 * From here on a key encrypts no more. Half of what is left between the due count and 2^32 random
 * nonces, the limit of SP 800-38D section 8.3: time to turn the key, and far enough from the limit.
 */
export const ENCRYPTIONS_LIMIT: number = ENCRYPTIONS_DUE + 2 ** 30

/** Counts encryptions per kid. */
export interface EncryptionUsage {
  /**
   * Counts one encryption before it happens.
   *
   * @throws {EnvelopeError} `envelope_exhausted`, `envelope_uncounted`
   */
  take(kid: string): Promise<void>
}

/** Where the counts of all processes are kept, and how. */
export interface UsageOptions {
  /**
   * Adds `count` to what stands for the kid, durably and in one step, and answers the new total.
   * Every process on one storage shares the total.
   */
  readonly reserve: (kid: string, count: number) => Promise<number>
  /** How many encryptions are counted by one write. Default 4096; a crash loses at most so many. */
  readonly block?: number
  /** Called with each block from `ENCRYPTIONS_DUE` on. */
  readonly onDue?: (usage: { readonly kid: string; readonly encryptions: number }) => void
}

/**
 * Makes a counter that reserves blocks ahead: what is stored is never less than what was encrypted,
 * whatever is cut off. Parallel callers share one reservation.
 *
 * @throws {TypeError} for a block that is no positive whole number
 */
export function createEncryptionUsage({
  reserve,
  block = 4096,
  onDue,
}: UsageOptions): EncryptionUsage {
  if (!Number.isSafeInteger(block) || block < 1) {
    throw new TypeError('block is a positive whole number')
  }
  const left = new Map<string, number>()
  const reserving = new Map<string, Promise<void>>()

  async function refill(kid: string): Promise<void> {
    const encryptions = await totalAfter(kid)
    // Not `>`: an answer that is no number must not count as little.
    if (!(encryptions <= ENCRYPTIONS_LIMIT)) {
      throw new EnvelopeError('envelope_exhausted', `a key encrypts ${ENCRYPTIONS_LIMIT} times`, {
        kid,
        encryptions,
      })
    }
    left.set(kid, block)
    if (encryptions >= ENCRYPTIONS_DUE) onDue?.({ kid, encryptions })
  }

  async function totalAfter(kid: string): Promise<number> {
    try {
      return await reserve(kid, block)
    } catch (cause) {
      throw new EnvelopeError('envelope_uncounted', 'counting encryptions: the count is stored', {
        kid,
        cause,
      })
    }
  }

  return {
    async take(kid) {
      for (;;) {
        const rest = left.get(kid) ?? 0
        if (rest > 0) {
          left.set(kid, rest - 1)
          return
        }
        const shared = reserving.get(kid) ?? refill(kid).finally(() => reserving.delete(kid))
        reserving.set(kid, shared)
        await shared
      }
    },
  }
}

/** A count that lives as long as the process. Only for keys that live no longer either. */
export function createMemoryReserve(): UsageOptions['reserve'] {
  const totals = new Map<string, number>()
  return async (kid, count) => {
    const total = (totals.get(kid) ?? 0) + count
    totals.set(kid, total)
    return total
  }
}
