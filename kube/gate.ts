/** Lets so many through at once; the others wait in line. */
export interface Gate {
  /** Resolves when it is one's turn. `onCancel` is handed what to call with a reason to leave the line. */
  enter(onCancel: (giveUp: (reason: unknown) => void) => void): Promise<void>
  /** To be called once by each who was let through. */
  leave(): void
}

/** A gate of that width. */
export function createGate(width: number): Gate {
  const line = new Set<() => void>()
  let free = width
  return {
    enter(onCancel) {
      if (free > 0) {
        free--
        return Promise.resolve()
      }
      return new Promise((resolve, reject) => {
        line.add(resolve)
        onCancel(reason => {
          if (line.delete(resolve)) reject(reason)
        })
      })
    },
    leave() {
      const [next] = line
      if (next === undefined) {
        free++
        return
      }
      line.delete(next)
      next()
    },
  }
}
