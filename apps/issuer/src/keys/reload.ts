import { AuthError, type Clock } from '@keyturn/auth-core'
import type { Logger } from '../telemetry/log.ts'
import { describeError } from '../telemetry/log.ts'
import type { HeldKeys } from './held-keys.ts'
import type { AcceptOutcome, KeyHolder } from './holder.ts'
import type { KeyringReader } from './keyring-reader.ts'

/** What asked for a reload. */
export type ReloadTrigger = 'boot' | 'poll' | 'webhook' | 'ping' | 'mint'

/** How a reload ended. `error` is there with `failed` only. */
export interface ReloadResult {
  readonly outcome: AcceptOutcome | 'failed'
  readonly atMs: number
  readonly error?: unknown
}

/** Brings the holder up to date. */
export interface Reloader {
  /**
   * Reads the keyring with one read at a time: a reload that is asked for while one runs starts
   * after it, and all who asked meanwhile share it. It never rejects.
   */
  reload(trigger: ReloadTrigger, options?: { readonly resetTo?: number }): Promise<ReloadResult>
  /** The same for a fault on the request path: never awaited, and at most once in 5 s. */
  reloadUrgently(): void
  /** The last finished reload. */
  last(): ReloadResult | undefined
}

export interface ReloaderDeps {
  readonly reader: KeyringReader
  readonly holder: KeyHolder
  readonly clock: Clock
  readonly log: Logger
  readonly onReload: (trigger: ReloadTrigger, result: ReloadResult) => void
  /** After the published keys changed. */
  readonly onChange: (keys: HeldKeys) => void
}

/** Edits come in bursts, and so do their deliveries: one read serves all that arrive together. */
const GATHER_MS: Readonly<Record<ReloadTrigger, number>> = {
  boot: 0,
  poll: 0,
  webhook: 50,
  ping: 0,
  mint: 0,
}

const URGENT_COOLDOWN_MS = 5_000

/** Makes a reloader that has not read anything yet. */
export function createReloader(deps: ReloaderDeps): Reloader {
  const { reader, holder, clock, log } = deps
  let running: Promise<ReloadResult> | undefined
  let waiting: Promise<ReloadResult> | undefined
  let resetTo: number | undefined
  let lastResult: ReloadResult | undefined
  let urgentAtMs = Number.NEGATIVE_INFINITY

  async function begin(trigger: ReloadTrigger): Promise<ReloadResult> {
    await (running ?? clock.sleep(GATHER_MS[trigger]))
    running = waiting
    waiting = undefined
    const reset = resetTo
    resetTo = undefined
    try {
      lastResult = await attempt(reset)
    } finally {
      running = undefined
    }
    report(trigger, lastResult)
    return lastResult
  }

  async function attempt(reset: number | undefined): Promise<ReloadResult> {
    const atMs = clock.nowMs()
    try {
      const read = await reader.read()
      return { outcome: await holder.accept(read, { readAtMs: atMs, resetTo: reset }), atMs }
    } catch (error) {
      await keepRevocations(error)
      return { outcome: 'failed', atMs, error }
    }
  }

  /** A broken keyring is refused, and what is revoked beside it counts all the same. */
  async function keepRevocations(error: unknown): Promise<void> {
    if (!(error instanceof AuthError)) return
    try {
      await holder.revoke(await reader.readRevocations())
    } catch (failure) {
      log.error({ error: describeError(failure) }, 'revocations could not be read')
    }
  }

  function report(trigger: ReloadTrigger, result: ReloadResult): void {
    const keys = holder.held()
    const { outcome, error } = result
    const facts = { trigger, outcome, revision: keys?.keyring.revision }
    if (outcome === 'failed') {
      log.error(
        { ...facts, error: describeError(error) },
        'keyring not reloaded: the last good one stays',
      )
    } else if (outcome === 'went_back') {
      log.error(facts, 'the store answered with an older revision: the newer keyring stays')
    } else if (outcome === 'changed') {
      log.info({ ...facts, kid: keys?.signer?.jwk.kid, notes: keys?.notes }, 'keyring loaded')
    }
    deps.onReload(trigger, result)
    if (outcome === 'changed' && keys) deps.onChange(keys)
  }

  function reload(
    trigger: ReloadTrigger,
    options: { readonly resetTo?: number } = {},
  ): Promise<ReloadResult> {
    resetTo = options.resetTo ?? resetTo
    waiting ??= begin(trigger)
    return waiting
  }

  return {
    reload,
    reloadUrgently: () => {
      if (clock.nowMs() - urgentAtMs < URGENT_COOLDOWN_MS) return
      urgentAtMs = clock.nowMs()
      void reload('mint')
    },
    last: () => lastResult,
  }
}
