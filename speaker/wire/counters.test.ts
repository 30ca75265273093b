import { describe, expect, test } from 'vitest'
import { createCounters } from './counters.ts'

describe('counters', () => {
  test('tell totals, of what has changed only, and say so once', () => {
    let changes = 0
    const counters = createCounters(() => void changes++)
    const web = counters.ofAddress('192.0.2.50', 'eth0')
    counters.ofAddress('192.0.2.51', 'eth0')
    expect(changes).toBe(0)
    web.requestReceived()
    web.responseSent()
    web.requestReceived()
    web.gratuitousSent()
    expect(changes).toBe(1)
    const expected = { kind: 'address', address: '192.0.2.50', interface: 'eth0' }
    expect(counters.takeChanged()).toEqual([{ ...expected, requestsReceived: 2, responsesSent: 1, gratuitousSent: 1 }])
    expect(counters.takeChanged()).toEqual([])
    web.requestReceived()
    expect(changes).toBe(2)
    expect(counters.takeChanged()).toMatchObject([{ ...expected, requestsReceived: 3 }])
  })

  test('keep interfaces, protocols and reasons apart', () => {
    const counters = createCounters(() => {})
    counters.ofInterface('eth0', 'ARP').malformed()
    counters.ofInterface('eth0', 'ARP').ignored('own')
    counters.ofInterface('eth0', 'ARP').ignored('own')
    counters.ofInterface('eth0', 'NDP').dropped('queueFull')
    counters.ofInterface('eth1', 'NDP').dropped('receiveBufferFull', 7)
    expect(counters.takeChanged()).toEqual([
      { kind: 'interface', interface: 'eth0', protocol: 'ARP', malformed: 1, ignored: { own: 2 }, dropped: {} },
      { kind: 'interface', interface: 'eth0', protocol: 'NDP', malformed: 0, ignored: {}, dropped: { queueFull: 1 } },
      {
        kind: 'interface',
        interface: 'eth1',
        protocol: 'NDP',
        malformed: 0,
        ignored: {},
        dropped: { receiveBufferFull: 7 },
      },
    ])
  })

  test('an address that went is told once more, and begins at zero when it comes back', () => {
    const counters = createCounters(() => {})
    counters.ofAddress('192.0.2.50', 'eth0').gratuitousSent()
    counters.forget('192.0.2.50', 'eth0')
    expect(counters.takeChanged()).toMatchObject([{ gratuitousSent: 1 }])
    counters.ofAddress('192.0.2.50', 'eth0').requestReceived()
    expect(counters.takeChanged()).toMatchObject([{ requestsReceived: 1, gratuitousSent: 0 }])
  })
})
