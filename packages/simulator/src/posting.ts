import {
  type Acknowledgement,
  AuthError,
  type Clock,
  nowSeconds,
  type Ping,
  type SignedPing,
} from '@keyturn/auth-core'
import type { PingSigner } from '@keyturn/auth-core/signing'
import type { Random } from './random.ts'
import type { Faults } from './scenario.ts'
import type { Timeline } from './timeline.ts'

/** Whoever takes pings: answers with an acknowledgement, or refuses with an `AuthError`. */
export type PingReceiver = (ping: SignedPing) => Promise<Acknowledgement>

/** Carries pings, as badly as the faults of the run say. */
export interface Post {
  /** Signs and sends; `undefined` where no answer came back in 5 s, for whatever reason. */
  send(ping: Ping, to: PingReceiver, clock: Clock): Promise<Acknowledgement | undefined>
  /** Hands over what somebody else signed. */
  deliver(ping: SignedPing, to: PingReceiver): Promise<Acknowledgement | undefined>
}

const PATIENCE_MS = 5_000

/** Makes the post. Pings get lost, late, doubled, and (each being late by another time) reordered. */
export function createPost(deps: {
  readonly timeline: Timeline
  readonly random: Random
  readonly signer: PingSigner
  readonly faults: () => Faults
}): Post {
  const { timeline, random, signer } = deps

  async function deliver(ping: SignedPing, to: PingReceiver): Promise<Acknowledgement | undefined> {
    try {
      return await to(ping)
    } catch (error) {
      if (error instanceof AuthError) return undefined
      throw error
    }
  }

  async function send(
    ping: Ping,
    to: PingReceiver,
    clock: Clock,
  ): Promise<Acknowledgement | undefined> {
    const { pingLoss, pingDouble, pingDelayMs } = deps.faults()
    const signed = await signer.sign(ping, nowSeconds(clock))
    if (random.chance(pingDouble)) {
      timeline.after(random.between(0, 120_000), () => deliver(signed, to))
    }
    const delayMs = random.between(5, 60) + (random.chance(0.5) ? random.next() * pingDelayMs : 0)
    const arrives = !random.chance(pingLoss)
    if (arrives && delayMs < PATIENCE_MS) {
      await timeline.sleep(delayMs)
      const answer = await deliver(signed, to)
      return random.chance(pingLoss / 2) ? undefined : answer
    }
    if (arrives) timeline.after(delayMs, () => deliver(signed, to))
    await timeline.sleep(PATIENCE_MS)
    return undefined
  }

  return { send, deliver }
}
