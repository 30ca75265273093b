import type { ConfigKind } from '../config.ts'
import { expression, labels, peer, pool, type Row, type RuleExample } from './example.ts'

/** A field of a kind that takes selectors, and how a spec looks with some in it. */
interface SelectorField {
  readonly kind: ConfigKind
  readonly field: string
  readonly specWith: (...selectors: readonly object[]) => object
}

const listOf = (kind: ConfigKind, field: string): SelectorField => ({
  kind,
  field,
  specWith: (...selectors) => ({ [field]: selectors }),
})

const ofPool = (field: string): SelectorField => ({
  kind: 'IPAddressPool',
  field: `serviceAllocation.${field}`,
  specWith: (...selectors) => ({ ...pool('192.0.2.0/24'), serviceAllocation: { [field]: selectors } }),
})

/** The fields that are lists of selectors and nothing more. */
const lists: readonly SelectorField[] = [
  ofPool('namespaceSelectors'),
  ofPool('serviceSelectors'),
  listOf('L2Advertisement', 'ipAddressPoolSelectors'),
  listOf('L2Advertisement', 'nodeSelectors'),
  listOf('L2Advertisement', 'serviceSelectors'),
  listOf('BGPAdvertisement', 'ipAddressPoolSelectors'),
  listOf('BGPAdvertisement', 'nodeSelectors'),
  listOf('BGPAdvertisement', 'serviceSelectors'),
  {
    kind: 'BGPPeer',
    field: 'nodeSelectors',
    specWith: (...nodeSelectors) => peer({ nodeSelectors }),
  },
]

const preferences: SelectorField = {
  kind: 'L2Advertisement',
  field: 'preferredNodeSelectors',
  specWith: (...selectors) => ({
    preferredNodeSelectors: selectors.map(preference => ({ weight: 1, preference })),
  }),
}

/** What goes for every selector, wherever it stands: here `good` and `bad` are the selector itself. */
const selectorRules: readonly Row[] = [
  {
    rule: 'a label key is a qualified name',
    good: labels('topology.kubernetes.io/zone', 'a'),
    bad: labels('a b', 'c'),
    answer: 'a label key is a name such as app, or prefix/name such as topology.kubernetes.io/zone',
  },
  {
    rule: 'the name in a label key has at most 63 characters',
    good: labels('a'.repeat(63), 'c'),
    bad: labels('a'.repeat(64), 'c'),
    answer: 'a label key is a name such as app',
  },
  {
    rule: 'a label value begins and ends with a letter or digit',
    good: labels('app', 'web_1.2-3'),
    bad: labels('app', '-web'),
    answer: "a label value has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit",
  },
  {
    rule: 'a label value may be empty, and has no space',
    good: labels('app', ''),
    bad: labels('app', 'my web'),
    answer: 'a label value has letters',
  },
  {
    rule: 'an operator is one of four',
    good: expression({ key: 'app', operator: 'Exists' }),
    bad: expression({ key: 'app', operator: 'Gt', values: ['1'] }),
    answer: 'supported values: "In", "NotIn", "Exists", "DoesNotExist"',
  },
  {
    rule: 'an expression has a key',
    good: expression({ key: 'app', operator: 'Exists' }),
    bad: expression({ operator: 'Exists' }),
    answer: 'matchExpressions[0].key: Required value',
  },
  {
    rule: 'the key of an expression is a qualified name',
    good: expression({ key: 'example.com/app', operator: 'Exists' }),
    bad: expression({ key: 'Example.com/app', operator: 'Exists' }),
    answer: 'a label key is a name such as app',
  },
  {
    rule: 'In has values',
    good: expression({ key: 'app', operator: 'In', values: ['web'] }),
    bad: expression({ key: 'app', operator: 'In' }),
    answer: 'In and NotIn need at least one of values; to ask only whether the label is there write Exists',
  },
  {
    rule: 'NotIn has values',
    good: expression({ key: 'app', operator: 'NotIn', values: [''] }),
    bad: expression({ key: 'app', operator: 'NotIn', values: [] }),
    answer: 'In and NotIn need at least one of values',
  },
  {
    rule: 'Exists has no values',
    good: expression({ key: 'app', operator: 'DoesNotExist', values: [] }),
    bad: expression({ key: 'app', operator: 'Exists', values: ['web'] }),
    answer: 'Exists and DoesNotExist take no values; remove them, or write In or NotIn',
  },
  {
    rule: 'the value of an expression is a label value',
    good: expression({ key: 'app', operator: 'In', values: ['a', 'b.c'] }),
    bad: expression({ key: 'app', operator: 'In', values: ['a', 'b.'] }),
    answer: 'a label value has letters',
  },
]

/** The rules about selectors, for each field that takes them. */
export const selectorFieldRules: readonly RuleExample[] = [
  ...[...lists, preferences].flatMap(({ kind, field, specWith }) =>
    selectorRules.map(({ rule, good, bad, ...row }) => ({
      ...row,
      kind,
      rule: `${field}: ${rule}`,
      good: specWith(good),
      bad: specWith(bad),
    })),
  ),
  ...lists.map(
    ({ kind, field, specWith }): RuleExample => ({
      kind,
      rule: `${field}: no selector stands twice`,
      good: specWith(labels('a', '1'), labels('a', '2')),
      bad: specWith(labels('a', '1'), labels('a', '1')),
      answer: 'a selector stands here twice; write it once',
      parsed: 'used',
    }),
  ),
]
