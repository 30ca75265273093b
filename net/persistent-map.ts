/*
 * Thousands of routes of which one changes, time and again. Who compares the state before with the state after keeps both,
 * and a copy of a Map of 5,000 entries takes half a millisecond and leaves as much garbage as the routes themselves. Here
 * a version shares with the one before it all but the few dozen entries that stand beside what changed.
 */

// With 5,000 entries a change copies 256 pointers and 20 entries.
const shardCount = 256

type Shard<Value> = ReadonlyMap<string, Value>

/** A map from texts that never changes; a change makes another map, and costs as much as the change is large. In no order. */
export class PersistentMap<Key extends string, Value> implements Iterable<readonly [Key, Value]> {
  readonly size: number
  readonly #shards: readonly Shard<Value>[]

  private constructor(shards: readonly Shard<Value>[], size: number) {
    this.#shards = shards
    this.size = size
  }

  static of<Key extends string, Value>(entries: Iterable<readonly [Key, Value]> = []): PersistentMap<Key, Value> {
    const none: Shard<Value> = new Map()
    const shards = Array.from({ length: shardCount }, () => none)
    return new PersistentMap<Key, Value>(shards, 0).with(entries)
  }

  get(key: Key): Value | undefined {
    return this.#shards[shardOf(key)]?.get(key)
  }

  has(key: Key): boolean {
    return this.#shards[shardOf(key)]?.has(key) ?? false
  }

  /** This map with these entries, and without those whose value is undefined; of a key that comes twice the last counts. */
  with(changes: Iterable<readonly [Key, Value | undefined]>): PersistentMap<Key, Value> {
    const shards = [...this.#shards]
    const copies = new Map<number, Map<string, Value>>()
    let { size } = this
    for (const [key, value] of changes) {
      const index = shardOf(key)
      const copy = copies.get(index) ?? new Map(shards[index])
      copies.set(index, copy)
      size -= copy.size
      if (value === undefined) copy.delete(key)
      else copy.set(key, value)
      size += copy.size
      shards[index] = copy
    }
    return copies.size === 0 ? this : new PersistentMap(shards, size)
  }

  *keys(): Generator<Key> {
    for (const [key] of this) yield key
  }

  *values(): Generator<Value> {
    for (const shard of this.#shards) yield* shard.values()
  }

  *[Symbol.iterator](): Generator<readonly [Key, Value]> {
    // Only keys of this type have ever been set.
    for (const shard of this.#shards) yield* shard as ReadonlyMap<Key, Value>
  }
}

/** FNV-1a over the key's UTF-16 code units, of which the low bits are well mixed. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return (hash ^ (hash >>> 16)) & (shardCount - 1)
}
