import { expect, test } from 'vitest'
import { documentedMetrics, namedIn, unknownIn } from './promql.ts'

const metrics = new Map([
  ['berth_bgp_session_up', ['peer']],
  ['berth_speaker_members', ['liveness']],
])

test('metrics, the labels that select and those that group are found', () => {
  const expression =
    'sum by (peer, instance) (rate(berth_bgp_session_up{peer=~"a.*", instance!="b"}[5m])) unless on () berth_leader'
  expect(namedIn(expression)).toEqual({
    selectors: [
      { metric: 'berth_bgp_session_up', labels: ['peer', 'instance'] },
      { metric: 'berth_leader', labels: [] },
    ],
    grouping: ['peer', 'instance'],
  })
})

test.each([
  ['sum(berth_bgp_session_up) by (peer)', []],
  ['berth_bgp_session_down', ['no metric berth_bgp_session_down']],
  ['berth_bgp_session_up{router="a"}', ['berth_bgp_session_up has no label router']],
  ['sum by (node) (berth_speaker_members)', ['nothing has the label node']],
  ['vector(1)', ['no metric at all']],
])('%s: %j', (expression, problems) => {
  expect(unknownIn(expression, metrics)).toEqual(problems)
})

test('docs/metrics.md is read with labels, and with the metrics of the process', () => {
  const documented = documentedMetrics()
  expect(documented.size).toBeGreaterThan(60)
  expect(documented.get('berth_speaker_announced')).toEqual(['service', 'protocol', 'node', 'ip'])
  expect(documented.get('berth_leader')).toEqual([])
  expect(documented.has('process_cpu_seconds_total')).toBe(true)
})
