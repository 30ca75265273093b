import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Change, createStore, type Observed, type Stored } from './store.ts'

interface Thing extends Stored {
  readonly text: string
}

const thing = (key: string, version: number, text = `v${version}`, uid = `uid-${key}`): Thing => ({
  key,
  uid,
  resourceVersion: String(version),
  text,
})
const seen = (value: Thing): Observed<Thing> => ({ ...value, value })
const texts = (store: { values(): IterableIterator<Thing> }): string[] =>
  [...store.values()].map(({ key, text }) => `${key}=${text}`).sort()

describe('a store', () => {
  it('is synced after the first list, and not before', async () => {
    const store = createStore<Thing>()
    expect(store.hasSynced).toBe(false)
    store.replace([seen(thing('a', 1))], '5')
    await store.synced
    expect(store.hasSynced).toBe(true)
    expect(texts(store)).toEqual(['a=v1'])
  })

  it('deletes on a relist what the list no longer has', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1)), seen(thing('b', 2))], '5')
    const changes: Change<Thing>[] = []
    store.subscribe(change => changes.push(change))
    store.replace([seen(thing('b', 2)), seen(thing('c', 7))], '8')
    expect(texts(store)).toEqual(['b=v2', 'c=v7'])
    expect(changes.map(change => [change.key, change.before?.text, change.after?.text])).toEqual([
      ['a', 'v1', undefined],
      ['c', undefined, 'v7'],
    ])
  })

  it('compares versions as integers of any size', () => {
    const store = createStore<Thing>()
    store.replace([], '1')
    store.observe(seen({ ...thing('a', 0, 'old'), resourceVersion: '99999999999999999999' }))
    store.observe(seen({ ...thing('a', 0, 'new'), resourceVersion: '100000000000000000000' }))
    expect(texts(store)).toEqual(['a=new'])
  })

  it('shows the same name with a new uid as a deletion and a new object', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1))], '1')
    const changes: Change<Thing>[] = []
    store.subscribe(change => changes.push(change))
    store.observe(seen(thing('a', 3, 'again', 'another')))
    expect(changes.map(change => [change.before?.uid, change.after?.uid])).toEqual([
      ['uid-a', undefined],
      [undefined, 'another'],
    ])
  })

  it('keeps what it knew of an object that became unreadable, but not of its namesake', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1)), seen(thing('b', 1))], '1')
    store.observe({ key: 'a', uid: 'uid-a', resourceVersion: '2', value: 'unreadable' })
    store.observe({ key: 'b', uid: 'another', resourceVersion: '3', value: 'unreadable' })
    expect(texts(store)).toEqual(['a=v1'])
  })

  it('goes on telling the others when one subscriber throws', () => {
    const store = createStore<Thing>()
    const errors: unknown[] = []
    const told: string[] = []
    store.onListenerError(error => errors.push(error))
    store.subscribe(() => {
      throw new Error('mine')
    })
    store.subscribe(change => told.push(change.key))
    store.replace([seen(thing('a', 1))], '1')
    expect(told).toEqual(['a'])
    expect(errors).toHaveLength(1)
  })

  it('tells a subscriber nothing after it has left', () => {
    const store = createStore<Thing>()
    let told = 0
    const leave = store.subscribe(() => told++)
    store.observe(seen(thing('a', 1)))
    leave()
    store.observe(seen(thing('a', 2)))
    expect(told).toBe(1)
  })
})

describe('a write of one’s own', () => {
  it('holds at once, and older events and lists do not undo it', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1))], '5')
    store.accept(thing('a', 10, 'mine'))
    store.observe(seen(thing('a', 7, 'stale')))
    expect(texts(store)).toEqual(['a=mine'])
    store.replace([seen(thing('a', 7, 'stale'))], '8')
    expect(texts(store)).toEqual(['a=mine'])
    store.observe(seen(thing('a', 11, 'newer')))
    expect(texts(store)).toEqual(['a=newer'])
  })

  it('that made an object is not undone by a list from before it', () => {
    const store = createStore<Thing>()
    store.replace([], '5')
    store.accept(thing('a', 10, 'mine'))
    store.replace([], '8')
    expect(texts(store)).toEqual(['a=mine'])
    store.replace([], '12')
    expect(texts(store)).toEqual([])
  })

  it('does not bring back an object whose deletion the watch has shown already', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1))], '5')
    store.observeDeletion('a', 'uid-a', '12')
    store.accept(thing('a', 10, 'mine'))
    expect(texts(store)).toEqual([])
  })

  it('to a new object outlives the late deletion of its predecessor', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1, 'old', 'first'))], '5')
    store.accept(thing('a', 20, 'mine', 'second'))
    store.observeDeletion('a', 'first', '15')
    expect(texts(store)).toEqual(['a=mine'])
  })

  it('that is older than what is known changes nothing', () => {
    const store = createStore<Thing>()
    store.replace([], '5')
    store.observe(seen(thing('a', 9, 'newer')))
    store.accept(thing('a', 8, 'late answer'))
    expect(texts(store)).toEqual(['a=newer'])
  })

  it('is given up where the server itself was set back to an older state', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 90))], '100')
    store.accept(thing('b', 110, 'mine'))
    store.replace([seen(thing('a', 30, 'restored'))], '40')
    expect(texts(store)).toEqual(['a=restored'])
    store.observe(seen(thing('a', 41, 'on')))
    expect(texts(store)).toEqual(['a=on'])
  })

  it('that deleted an object is not undone by what the watch still has to tell of its predecessor', () => {
    const store = createStore<Thing>()
    store.replace([], '0')
    store.accept(thing('a', 5, 'mine', 'second'))
    store.acceptDeletion('a', 'second')
    store.observe(seen(thing('a', 3, 'stale', 'first')))
    store.replace([seen(thing('a', 3, 'stale', 'first'))], '3')
    store.observeDeletion('a', 'first', '4')
    store.observe(seen(thing('a', 5, 'mine', 'second')))
    expect(texts(store)).toEqual([])
    store.observeDeletion('a', 'second', '6')
    store.observe(seen(thing('a', 7, 'again', 'third')))
    expect(texts(store)).toEqual(['a=again'])
  })

  it('that deleted an object is not undone by older events and lists', () => {
    const store = createStore<Thing>()
    store.replace([seen(thing('a', 1))], '5')
    store.acceptDeletion('a', 'uid-a')
    store.observe(seen(thing('a', 7, 'stale')))
    store.replace([seen(thing('a', 7, 'stale'))], '8')
    store.accept(thing('a', 9, 'late answer to a patch'))
    expect(texts(store)).toEqual([])
    store.observeDeletion('a', 'uid-a', '10')
    store.observe(seen(thing('a', 12, 'again', 'second')))
    expect(texts(store)).toEqual(['a=again'])
  })
})

describe('any history', () => {
  type Step = { readonly key: string; readonly kind: 'write' | 'delete' | 'own' | 'ownDelete' }
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    kind: fc.constantFrom<Step['kind']>('write', 'delete', 'own', 'ownDelete'),
  })

  it('leaves the store equal to the server, and never behind an own write, wherever the watch was cut', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(9)), (steps, dice) => {
        const roll = (): number => dice.next().value as number
        const server = new Map<string, Thing>()
        const events: { readonly type: string; readonly object: Thing }[] = []
        const store = createStore<Thing>()
        const floor = new Map<string, number>()
        let version = 0
        let delivered = 0
        const check = (): void => {
          for (const [key, least] of floor) {
            expect(Number(store.get(key)?.resourceVersion ?? least)).toBeGreaterThanOrEqual(least)
          }
        }
        const deliver = (): void => {
          const event = events[delivered]
          if (event === undefined) return
          delivered++
          const { object } = event
          if (event.type === 'DELETED') store.observeDeletion(object.key, object.uid, object.resourceVersion)
          else store.observe(seen(object))
          check()
        }
        const relist = (): void => {
          // As of some moment between what the watch has shown and now.
          const upTo = delivered + (roll() % (events.length - delivered + 1))
          const state = new Map<string, Thing>()
          for (const { type, object } of events.slice(0, upTo)) {
            if (type === 'DELETED') state.delete(object.key)
            else state.set(object.key, object)
          }
          store.replace([...state.values()].map(seen), String(upTo))
          delivered = upTo
          check()
        }
        store.replace([], '0')
        for (const { key, kind } of steps) {
          const known = server.get(key)
          version++
          if (kind === 'delete' || kind === 'ownDelete') {
            if (known === undefined) {
              version--
              continue
            }
            server.delete(key)
            events.push({ type: 'DELETED', object: { ...known, resourceVersion: String(version) } })
            if (kind === 'ownDelete') store.acceptDeletion(key, known.uid)
          } else {
            const object = thing(key, version, `v${version}`, known?.uid ?? `uid-${version}`)
            server.set(key, object)
            events.push({ type: known ? 'MODIFIED' : 'ADDED', object })
            if (kind === 'own') {
              // The answer may come after later events were shown.
              for (let late = roll() % 3; late > 0; late--) deliver()
              store.accept(object)
              floor.set(key, version)
            }
          }
          const luck = roll()
          if (luck < 4) deliver()
          else if (luck === 9) relist()
          check()
        }
        while (delivered < events.length) deliver()
        expect(texts(store)).toEqual(texts({ values: () => server.values() }))
      }),
    )
  })
})
