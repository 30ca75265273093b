import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Capability } from './capability.ts'
import { notification } from './notification.ts'
import { asOf, decodeOpen, encodeOpen, type Open } from './open.ts'

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

const rows: readonly { name: string; open: Open; bytes: Uint8Array }[] = [
  {
    name: 'without capabilities',
    open: { myAs: 64512, holdTimeSeconds: 90, bgpIdentifier: 0xc0000201, capabilities: [] },
    bytes: hex('04 fc00 005a c0000201 00'),
  },
  {
    name: 'with everything that Berth offers',
    open: {
      myAs: 23456,
      holdTimeSeconds: 0,
      bgpIdentifier: 1,
      capabilities: [
        { kind: 'multiprotocol', afi: 1, safi: 1 },
        { kind: 'multiprotocol', afi: 2, safi: 1 },
        { kind: 'routeRefresh' },
        { kind: 'extendedNextHop', entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
        {
          kind: 'gracefulRestart',
          restarting: true,
          notification: true,
          restartTimeSeconds: 120,
          families: [{ afi: 1, safi: 1, forwardingPreserved: true }],
        },
        { kind: 'fourOctetAs', as: 4200000001 },
        { kind: 'enhancedRouteRefresh' },
        { kind: 'unknown', code: 73, value: Uint8Array.of(1, 2) },
      ],
    },
    bytes: hex(
      `04 5ba0 0000 00000001 2c 02 2a
       01 04 0001 00 01   01 04 0002 00 01   02 00   05 06 0001 0001 0002
       40 06 c078 0001 01 80   41 04 fa56ea01   46 00   49 02 01 02`,
    ),
  },
]

describe('an OPEN', () => {
  for (const { name, open, bytes } of rows) {
    test(`${name}: bytes, value and bytes again, at any offset`, () => {
      expect(encodeOpen(open)).toEqual(bytes)
      const shifted = new Uint8Array([7, 7, 7, ...bytes]).subarray(3)
      expect(decodeOpen(shifted)).toEqual({ ok: true, value: open })
    })
  }

  test('the AS number of four octets counts where there is one', () => {
    expect(rows.map(({ open }) => asOf(open))).toEqual([64512, 4200000001])
  })

  test('capabilities may come in a parameter each, as FRR sends them', () => {
    const decoded = decodeOpen(hex('04 fc00 00b4 0a000001 0e 02 06 01 04 0001 00 01 02 02 02 00 02 00'))
    expect(decoded).toMatchObject({
      ok: true,
      value: { capabilities: [{ kind: 'multiprotocol', afi: 1, safi: 1 }, { kind: 'routeRefresh' }] },
    })
  })

  test('more than 255 octets of parameters travel in the extended form (RFC 9072)', () => {
    const capabilities: Capability[] = [1, 2, 3].map(code => ({
      kind: 'unknown',
      code: 200 + code,
      value: new Uint8Array(100).fill(code),
    }))
    const open = { myAs: 1, holdTimeSeconds: 3, bgpIdentifier: 1, capabilities }
    const bytes = encodeOpen(open)
    expect(bytes.subarray(9, 16)).toEqual(hex('ff ff 0135 02 0132'))
    expect(decodeOpen(bytes)).toEqual({ ok: true, value: open })
  })

  test('a value of 255 octets in all the parameters is not mistaken for the extended form', () => {
    const capabilities: Capability[] = [{ kind: 'unknown', code: 200, value: new Uint8Array(250) }]
    const open = { myAs: 1, holdTimeSeconds: 3, bgpIdentifier: 1, capabilities }
    expect(decodeOpen(encodeOpen(open))).toEqual({ ok: true, value: open })
  })
})

describe('an OPEN that RFC 4271 §6.2 forbids', () => {
  const refusals = [
    ['version 3', '03 fc00 005a 0a000001 00', notification('unsupportedVersionNumber', Uint8Array.of(0, 4))],
    ['version 5', '05 fc00 005a 0a000001 00', notification('unsupportedVersionNumber', Uint8Array.of(0, 4))],
    ['AS 0', '04 0000 005a 0a000001 00', notification('badPeerAs')],
    ['AS 0 in four octets', '04 5ba0 005a 0a000001 08 02 06 41 04 00000000', notification('badPeerAs')],
    ['a hold time of 1', '04 fc00 0001 0a000001 00', notification('unacceptableHoldTime')],
    ['a hold time of 2', '04 fc00 0002 0a000001 00', notification('unacceptableHoldTime')],
    ['identifier 0.0.0.0', '04 fc00 005a 00000000 00', notification('badBgpIdentifier')],
    ['an unknown parameter', '04 fc00 005a 0a000001 03 01 01 00', notification('unsupportedOptionalParameter')],
    ['parameters longer than the message', '04 fc00 005a 0a000001 04 02 00', notification('malformedOpen')],
    ['parameters shorter than the message', '04 fc00 005a 0a000001 02 02 00 00', notification('malformedOpen')],
    ['half a parameter', '04 fc00 005a 0a000001 01 02', notification('malformedOpen')],
    [
      'a capability that runs past its parameter',
      '04 fc00 005a 0a000001 04 02 02 41 04',
      notification('malformedOpen'),
    ],
    ['a four-octet AS of three octets', '04 fc00 005a 0a000001 07 02 05 41 03 000001', notification('malformedOpen')],
    ['a route refresh with a value', '04 fc00 005a 0a000001 05 02 03 02 01 00', notification('malformedOpen')],
    ['extended parameters cut short', '04 fc00 005a 0a000001 ff ff 0009 02', notification('malformedOpen')],
  ] as const
  for (const [name, bytes, problem] of refusals) {
    test(name, () => expect(decodeOpen(hex(bytes))).toEqual({ ok: false, problem }))
  }
})

function again(bytes: Uint8Array) {
  const decoded = decodeOpen(bytes)
  return decoded.ok ? [decoded, decodeOpen(encodeOpen(decoded.value))] : []
}

test('no bytes make the decoder throw, and what it accepts it writes back to the same meaning', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 10, maxLength: 120 }), bytes => {
      const [first, second] = again(bytes.with(0, 4))
      expect(second).toEqual(first)
    }),
    { numRuns: 500 },
  )
})
