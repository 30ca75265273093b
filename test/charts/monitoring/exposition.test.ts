import { expect, test } from 'vitest'
import { parseExposition } from './exposition.ts'

test('values with and without labels, what has none at present, and infinities are read', () => {
  const text = `# HELP berth_leader 1 while it leads
# TYPE berth_leader gauge
berth_leader 1

# TYPE berth_layer2_rival gauge
# TYPE berth_speaker_announced gauge
berth_speaker_announced{service="a/b",ip="2001:db8::1"} 0
berth_speaker_lease_age_seconds +Inf
`
  const { samples, types } = parseExposition(text)
  expect(samples).toEqual([
    { metric: 'berth_leader', labels: {}, value: 1 },
    { metric: 'berth_speaker_announced', labels: { service: 'a/b', ip: '2001:db8::1' }, value: 0 },
    { metric: 'berth_speaker_lease_age_seconds', labels: {}, value: Number.POSITIVE_INFINITY },
  ])
  expect([...types.keys()]).toEqual(['berth_leader', 'berth_layer2_rival', 'berth_speaker_announced'])
})

test('a page that is something else is refused', () => {
  expect(() => parseExposition('<html>')).toThrow('not in Prometheus')
})
