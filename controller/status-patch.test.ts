import { describe, expect, it } from 'vitest'
import { statusPatch } from './status-patch.ts'
import { address, service } from './test-values.ts'

const now = new Date('2026-01-02T03:04:05.678Z')

describe('a status patch', () => {
  it('carries address, pool and condition at once, and the version that it was decided on', () => {
    const patch = statusPatch(
      service('web', { resourceVersion: '42' }),
      [
        { kind: 'setIngress', addresses: [address('192.0.2.1'), address('2001:DB8:0::1')] },
        { kind: 'setPoolAnnotation', pool: 'a' },
        { kind: 'setCondition', condition: { status: 'True', reason: 'Allocated', message: 'x' } },
        { kind: 'recordEvent', type: 'Normal', reason: 'IPAllocated', note: 'x' },
      ],
      now,
    )
    expect(patch).toEqual({
      metadata: { resourceVersion: '42', annotations: { 'berth.dev/ip-allocated-from-pool': 'a' } },
      status: {
        loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }] },
        conditions: [
          {
            type: 'berth.dev/Allocated',
            status: 'True',
            reason: 'Allocated',
            message: 'x',
            lastTransitionTime: '2026-01-02T03:04:05Z',
          },
        ],
      },
    })
  })

  it('takes everything of ours off again, under every name that is read', () => {
    const patch = statusPatch(
      service('web'),
      [
        { kind: 'clearIngress' },
        { kind: 'setPoolAnnotation', pool: undefined },
        { kind: 'setCondition', condition: undefined },
      ],
      now,
    )
    expect(patch).toEqual({
      metadata: {
        resourceVersion: '1',
        annotations: {
          'berth.dev/ip-allocated-from-pool': null,
          'metallb.io/ip-allocated-from-pool': null,
          'metallb.universe.tf/ip-allocated-from-pool': null,
        },
      },
      status: { loadBalancer: { ingress: null }, conditions: [{ type: 'berth.dev/Allocated', $patch: 'delete' }] },
    })
  })

  it('keeps the time of the last flip while the status stays', () => {
    const condition = {
      type: 'berth.dev/Allocated',
      status: 'False' as const,
      reason: 'NoPools',
      message: 'x',
      lastTransitionTime: '2025-12-31T00:00:00Z',
    }
    const change = {
      kind: 'setCondition',
      condition: { status: 'False', reason: 'PoolsExhausted', message: 'y' },
    } as const
    expect(statusPatch(service('web', { conditions: [condition] }), [change], now)).toMatchObject({
      status: { conditions: [{ lastTransitionTime: '2025-12-31T00:00:00Z' }] },
    })
  })

  it('is none where only the ledger changes', () => {
    expect(statusPatch(service('web'), [{ kind: 'release', service: 'default/web' }], now)).toBeUndefined()
  })
})
