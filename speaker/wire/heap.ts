/** A binary heap: the smallest element is at hand, adding and removing take log₂ n comparisons. */
export interface Heap<T> {
  first(): T | undefined
  removeFirst(): void
  add(element: T): void
  clear(): void
  readonly size: number
}

/** An empty heap in the order of `compare`; elements must keep their place in that order while they are in it. */
export function createHeap<T>(compare: (one: T, other: T) => number): Heap<T> {
  const elements: T[] = []

  const isBefore = (one: number, other: number): boolean => compare(elements[one] as T, elements[other] as T) < 0
  const swap = (one: number, other: number): void => {
    const held = elements[one] as T
    elements[one] = elements[other] as T
    elements[other] = held
  }

  const sink = (from: number): void => {
    for (let parent = from; ; ) {
      const left = 2 * parent + 1
      let least = parent
      if (left < elements.length && isBefore(left, least)) least = left
      if (left + 1 < elements.length && isBefore(left + 1, least)) least = left + 1
      if (least === parent) return
      swap(parent, least)
      parent = least
    }
  }

  return {
    first: () => elements[0],
    removeFirst() {
      const last = elements.pop()
      if (last === undefined || elements.length === 0) return
      elements[0] = last
      sink(0)
    },
    add(element) {
      elements.push(element)
      for (let child = elements.length - 1; child > 0; ) {
        const parent = (child - 1) >> 1
        if (!isBefore(child, parent)) return
        swap(child, parent)
        child = parent
      }
    },
    clear: () => void elements.splice(0),
    get size() {
      return elements.length
    },
  }
}
