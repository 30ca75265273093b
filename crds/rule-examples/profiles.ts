import type { Row } from './example.ts'

export const bfdRules: readonly Row[] = (
  [
    { field: 'receiveInterval', min: 10, max: 60_000 },
    { field: 'transmitInterval', min: 10, max: 60_000 },
    { field: 'echoInterval', min: 10, max: 60_000, kept: 'used in part' },
    { field: 'detectMultiplier', min: 2, max: 255 },
    { field: 'minimumTtl', min: 1, max: 254 },
  ] as const
).flatMap(({ field, min, max, ...more }): readonly Row[] => [
  {
    rule: `${field} is at least ${min}`,
    ...more,
    good: { [field]: min },
    bad: { [field]: min - 1 },
    answer: `${field} in body should be greater than or equal to ${min}`,
  },
  {
    rule: `${field} is at most ${max}`,
    ...more,
    good: { [field]: max },
    bad: { [field]: max + 1 },
    answer: `${field} in body should be less than or equal to ${max}`,
  },
])

export const communityRules: readonly Row[] = [
  {
    rule: 'an alias has a value',
    good: { communities: [{ name: 'no-export', value: '65535:65281' }] },
    bad: { communities: [{ name: 'no-export' }] },
    answer: 'communities[0].value: Required value',
  },
  {
    rule: 'the value of an alias is a community',
    good: { communities: [{ name: 'mine', value: 'large:64512:1:2' }] },
    bad: { communities: [{ name: 'mine', value: 'no-export' }] },
    answer: 'this is not a community; write 65000:100 (two numbers up to 65535)',
  },
  {
    rule: 'an alias cannot be taken for a value',
    good: { communities: [{ name: 'blue', value: '1:1' }] },
    bad: { communities: [{ name: '2:2', value: '1:1' }] },
    answer: 'an alias has no colon and no space; write a word such as no-export',
  },
  {
    rule: 'an alias is one word',
    good: { communities: [{ name: 'no-export', value: '1:1' }] },
    bad: { communities: [{ name: 'no export', value: '1:1' }] },
    answer: 'an alias has no colon and no space',
  },
  {
    rule: 'no alias stands twice',
    good: {
      communities: [
        { name: 'one', value: '1:1' },
        { name: 'two', value: '1:1' },
      ],
    },
    bad: {
      communities: [
        { name: 'one', value: '1:1' },
        { name: 'one', value: '1:2' },
      ],
    },
    answer: 'Duplicate value: {"name":"one"}',
  },
]
