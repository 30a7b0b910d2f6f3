import { expect, it } from 'vitest'
import { createTimeline } from '../src/timeline.ts'

it('lets things happen in order, each at its instant, with no time passing in between', async () => {
  const timeline = createTimeline(1_000)
  const seen: string[] = []
  timeline.after(20, () => seen.push(`b ${timeline.nowMs()}`))
  timeline.after(10, () => seen.push(`a ${timeline.nowMs()}`))
  timeline.after(10, () => seen.push(`a again ${timeline.nowMs()}`))
  await timeline.runUntil(5_000)
  expect(seen).toEqual(['a 1010', 'a again 1010', 'b 1020'])
  expect(timeline.nowMs()).toBe(5_000)
})

it('lets whoever waits go on before the next thing happens', async () => {
  const timeline = createTimeline(0)
  const seen: string[] = []
  timeline.after(0, async () => {
    await timeline.sleep(10)
    for (let step = 0; step < 50; step++) await Promise.resolve()
    seen.push(`first at ${timeline.nowMs()}`)
  })
  timeline.after(10, () => seen.push(`second at ${timeline.nowMs()}`))
  timeline.after(11, () => seen.push(`third at ${timeline.nowMs()}`))
  await timeline.runUntil(100)
  expect(seen).toEqual(['second at 10', 'first at 10', 'third at 11'])
})

it('stops at the end and when it is over, and leaves the rest for later', async () => {
  const timeline = createTimeline(0)
  let count = 0
  for (const atMs of [10, 20, 30]) timeline.after(atMs, () => count++)
  await timeline.runUntil(20)
  expect(count).toBe(2)
  await timeline.runUntil(100, () => true)
  expect([count, timeline.nowMs()]).toEqual([2, 20])
})

it('ends a sleep early where its signal aborts, and never rejects', async () => {
  const timeline = createTimeline(0)
  const clock = timeline.clock(() => 0)
  const cut = new AbortController()
  const woken: number[] = []
  timeline.after(0, async () => {
    await clock.sleep(1_000, cut.signal)
    woken.push(timeline.nowMs())
    await clock.sleep(1_000, cut.signal)
    woken.push(timeline.nowMs())
  })
  timeline.after(5, () => cut.abort())
  await timeline.runUntil(3_000)
  expect(woken).toEqual([5, 5])
})

it('shows each clock its own time', async () => {
  const timeline = createTimeline(1_000)
  let offsetMs = 250
  const clock = timeline.clock(() => offsetMs)
  expect(clock.nowMs()).toBe(1_250)
  offsetMs = -250
  await timeline.runUntil(2_000)
  expect(clock.nowMs()).toBe(1_750)
})

it('rejects with what a happening threw, at once or later', async () => {
  const early = createTimeline(0)
  early.after(1, () => {
    throw new Error('at once')
  })
  await expect(early.runUntil(10)).rejects.toThrow('at once')
  const late = createTimeline(0)
  late.after(1, async () => {
    await late.sleep(5)
    throw new Error('later')
  })
  await expect(late.runUntil(10)).rejects.toThrow('later')
})
