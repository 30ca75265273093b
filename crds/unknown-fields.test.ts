import { expect, test } from 'vitest'
import { ruleExamples } from './rule-examples.ts'
import { unknownFields } from './unknown-fields.ts'

const pool = (spec: object, more: object = {}): object => ({
  apiVersion: 'berth.dev/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'a', anything: true },
  spec,
  ...more,
})

test('a slip of the pen is told with what was meant', () => {
  expect(unknownFields('IPAddressPool', pool({ adresses: [], autoassign: false }))).toEqual([
    { path: 'spec.adresses', meant: 'addresses' },
    { path: 'spec.autoassign', meant: 'autoAssign' },
  ])
})

test('fields within fields and lists have their place', () => {
  const selector = { matchLabel: { any: 'label' }, matchLabels: { free: 'to choose' } }
  const expressions = [{ key: 'a', operator: 'In', value: ['b'] }]
  const serviceAllocation = {
    namespaceSelector: [],
    serviceSelectors: [{}, selector, { matchExpressions: expressions }],
  }
  expect(unknownFields('IPAddressPool', pool({ serviceAllocation }))).toEqual([
    { path: 'spec.serviceAllocation.namespaceSelector', meant: 'namespaceSelectors' },
    { path: 'spec.serviceAllocation.serviceSelectors[1].matchLabel', meant: 'matchLabels' },
    { path: 'spec.serviceAllocation.serviceSelectors[2].matchExpressions[0].value', meant: 'values' },
  ])
})

test('what resembles nothing is told all the same', () => {
  expect(unknownFields('IPAddressPool', pool({ protocol: 'layer2' }, { specs: {} }))).toEqual([
    { path: 'spec.protocol', meant: undefined },
    { path: 'specs', meant: 'spec' },
  ])
})

test('every example of a good object is known through and through', () => {
  expect(ruleExamples.length).toBeGreaterThan(20)
  for (const { kind, good } of ruleExamples) expect(unknownFields(kind, { spec: good })).toEqual([])
})

test('anything that is no object has no fields', () => {
  for (const value of [undefined, null, 'a', 1, []]) expect(unknownFields('BGPPeer', value)).toEqual([])
})
