/** Shows how far a long run is. */
export interface Progress {
  show(done: number): void
  /** Takes the bar away. */
  end(): void
}

const WIDTH = 30
const EVERY_MS = 100

/** Makes a bar of `total` steps on a terminal; elsewhere, nothing is shown. */
export function createProgress(
  stream: { readonly isTTY?: boolean; write(text: string): unknown },
  { total, nowMs }: { readonly total: number; nowMs(): number },
): Progress {
  if (!stream.isTTY) return { show: () => undefined, end: () => undefined }
  const startedAtMs = nowMs()
  let shownAtMs = Number.NEGATIVE_INFINITY
  return {
    show(done) {
      if (nowMs() - shownAtMs < EVERY_MS) return
      shownAtMs = nowMs()
      const share = Math.min(1, done / total)
      const filled = '█'.repeat(Math.floor(share * WIDTH)).padEnd(WIDTH, '░')
      const seconds = Math.round((nowMs() - startedAtMs) / 1000)
      stream.write(`\r${filled} ${done}/${total} rotations, ${seconds} s`)
    },
    end: () => void stream.write('\r\u001b[2K'),
  }
}
