/** Something that happens at an instant. */
export interface HeapEntry {
  readonly atMs: number
  /** Entries of one instant come in the order in which they were put in. */
  readonly order: number
}

/** A binary heap of what is to come, the earliest first. */
export interface EventHeap<T extends HeapEntry> {
  readonly size: number
  peek(): T | undefined
  push(entry: T): void
  pop(): T | undefined
}

/** Makes an empty heap. */
export function createEventHeap<T extends HeapEntry>(): EventHeap<T> {
  const entries: T[] = []

  const before = (a: T, b: T) => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs)

  function rise(entry: T): void {
    let index = entries.push(entry) - 1
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = entries[above]
      if (!parent || !before(entry, parent)) break
      entries[index] = parent
      index = above
    }
    entries[index] = entry
  }

  function sink(entry: T): void {
    let index = 0
    for (;;) {
      const left = entries[2 * index + 1]
      const right = entries[2 * index + 2]
      if (!left) break
      const smaller = right && before(right, left) ? right : left
      if (!before(smaller, entry)) break
      entries[index] = smaller
      index = 2 * index + (smaller === left ? 1 : 2)
    }
    entries[index] = entry
  }

  return {
    get size() {
      return entries.length
    },
    peek: () => entries[0],
    push: rise,
    pop() {
      const first = entries[0]
      const last = entries.pop()
      if (last && last !== first) sink(last)
      return first
    },
  }
}
