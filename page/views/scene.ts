import type { Picture } from '../../cli/picture.ts'
import type { StatusView } from '../../cli/status.ts'
import type { TimeLineEntry } from './time-line.ts'

/** All that a view is made of: the cluster at one moment and what led to it. */
export interface Scene {
  readonly picture: Picture
  readonly status: StatusView
  /** Latest first. */
  readonly timeLine: readonly TimeLineEntry[]
  /** What cannot be read at the moment. */
  readonly trouble: readonly string[]
}

/** Makes something of a scene, once, however often it is asked for: scenes never change. */
export function oncePerScene<T>(make: (scene: Scene) => T): (scene: Scene) => T {
  const made = new WeakMap<Scene, { readonly value: T }>()
  return scene => {
    const known = made.get(scene)
    if (known) return known.value
    const value = make(scene)
    made.set(scene, { value })
    return value
  }
}
