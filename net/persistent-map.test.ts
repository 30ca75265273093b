import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PersistentMap } from './persistent-map.ts'

const keys = fc.oneof(fc.constantFrom('a', 'b', 'shop/web'), fc.string({ maxLength: 4 }))
const changes = fc.array(fc.tuple(keys, fc.option(fc.nat(9), { nil: undefined })), { maxLength: 20 })

it('holds after any changes what a Map would hold, and every version before stays what it was', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 8 }), versions => {
      let map = PersistentMap.of<string, number>()
      const model = new Map<string, number>()
      const before: { map: typeof map; holds: Record<string, number> }[] = []
      for (const version of versions) {
        before.push({ map, holds: Object.fromEntries(model) })
        map = map.with(version)
        for (const [key, value] of version) {
          if (value === undefined) model.delete(key)
          else model.set(key, value)
        }
        expect(new Map(map)).toEqual(model)
        expect(map.size).toBe(model.size)
        expect([...map.keys()].sort()).toEqual([...model.keys()].sort())
        const numeric = (one: number, other: number): number => one - other
        expect([...map.values()].sort(numeric)).toEqual([...model.values()].sort(numeric))
        for (const [key] of version) expect([map.has(key), map.get(key)]).toEqual([model.has(key), model.get(key)])
      }
      for (const { map: old, holds } of before) expect(Object.fromEntries(old)).toEqual(holds)
    }),
  )
})

it('is the same map where nothing changes', () => {
  const map = PersistentMap.of([['a', 1]])
  expect(map.with([])).toBe(map)
})

it('shares with the version before all but what stands beside a change', () => {
  const entries = Array.from({ length: 5_000 }, (_, index) => [`shop/web-${index}`, { index }] as const)
  const map = PersistentMap.of(entries)
  const began = process.memoryUsage().heapUsed
  const versions = Array.from({ length: 100 }, (_, index) => map.with([[`shop/web-${index}`, undefined]]))
  const bytesEach = (process.memoryUsage().heapUsed - began) / versions.length
  expect(versions.map(version => version.size)).toEqual(Array.from(versions, () => 4_999))
  // A copy of all entries takes more than 100 KB.
  expect(bytesEach).toBeLessThan(20_000)
})
