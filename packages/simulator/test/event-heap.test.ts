import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createEventHeap, type HeapEntry } from '../src/event-heap.ts'

function drain(heap: ReturnType<typeof createEventHeap<HeapEntry>>): HeapEntry[] {
  const drained: HeapEntry[] = []
  for (let entry = heap.pop(); entry; entry = heap.pop()) drained.push(entry)
  return drained
}

it('gives out what was put in by time, and within one instant in the order of putting in', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (times) => {
      const heap = createEventHeap<HeapEntry>()
      const entries = times.map((atMs, order) => ({ atMs, order }))
      for (const entry of entries) heap.push(entry)
      expect(heap.size).toBe(times.length)
      const sorted = [...entries].sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      expect(heap.peek()).toEqual(sorted[0])
      expect(drain(heap)).toEqual(sorted)
      expect(heap.size).toBe(0)
    }),
  )
})

it('keeps the order while entries come and go', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50), { nil: undefined })), (operations) => {
      const heap = createEventHeap<HeapEntry>()
      let present: HeapEntry[] = []
      for (const [order, atMs] of operations.entries()) {
        if (atMs !== undefined) {
          heap.push({ atMs, order })
          present = [...present, { atMs, order }].sort(
            (a, b) => a.atMs - b.atMs || a.order - b.order,
          )
        } else expect(heap.pop()).toEqual(present.shift())
      }
    }),
  )
})
