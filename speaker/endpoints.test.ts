import { expect, test } from 'vitest'
import type { EndpointSliceFacts, ServiceKey } from '../kube/service.ts'
import { createStore } from '../kube/store.ts'
import { createEndpointIndex } from './endpoints.ts'

let version = 0

function slice(name: string, service: ServiceKey, ...nodes: readonly string[]): EndpointSliceFacts {
  const usable = nodes.map((node, index) => ({ id: `${name} ${node} ${index}`, node }))
  return { key: `shop/${name}`, uid: `${name}-uid`, resourceVersion: `${++version}`, service, usable }
}

function setUp() {
  const store = createStore<EndpointSliceFacts>()
  const changed: string[] = []
  const index = createEndpointIndex(store, service => changed.push(service))
  const put = (value: EndpointSliceFacts): void => store.observe({ ...value, value })
  return { store, changed, index, put }
}

test('a Service has the endpoints of all its slices', () => {
  const { index, put, changed } = setUp()
  expect(index.of('shop/web').usable).toBe(0)
  put(slice('one', 'shop/web', 'a', 'a'))
  put(slice('two', 'shop/web', 'b'))
  put(slice('other', 'shop/api', 'c'))
  expect(index.of('shop/web').usableByNode).toEqual(
    new Map([
      ['a', 2],
      ['b', 1],
    ]),
  )
  expect(changed).toEqual(['shop/web', 'shop/web', 'shop/api'])
})

test('they are the same object until a node has more of them or fewer', () => {
  const { index, put } = setUp()
  put(slice('one', 'shop/web', 'a'))
  const before = index.of('shop/web')
  put(slice('one', 'shop/web', 'a'))
  expect(index.of('shop/web')).toBe(before)
  put(slice('one', 'shop/web', 'a', 'a', 'a'))
  expect(index.of('shop/web')).not.toBe(before)
  expect(index.of('shop/web').usableByNode).toEqual(new Map([['a', 3]]))
  const three = index.of('shop/web')
  put(slice('one', 'shop/web', 'a', 'b', 'b'))
  expect(index.of('shop/web')).not.toBe(three)
})

test('a slice that is deleted, or goes over to another Service, takes its endpoints along', () => {
  const { index, put, store } = setUp()
  put(slice('one', 'shop/web', 'a'))
  put(slice('two', 'shop/web', 'b'))
  expect(index.of('shop/web').usable).toBe(2)
  put(slice('one', 'shop/api', 'a'))
  expect(index.of('shop/web').usable).toBe(1)
  expect(index.of('shop/api').usable).toBe(1)
  store.observeDeletion('shop/two', 'two-uid', `${++version}`)
  expect(index.of('shop/web').usable).toBe(0)
})

test('a Service that is forgotten and comes back is looked at afresh', () => {
  const { index, put } = setUp()
  put(slice('one', 'shop/web', 'a'))
  index.of('shop/web')
  index.forget('shop/web')
  put(slice('one', 'shop/web', 'b'))
  expect(index.of('shop/web').usableByNode).toEqual(new Map([['b', 1]]))
})
