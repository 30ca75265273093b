import { describe, expect, test } from 'vitest'
import { runFilter } from '../../test/packets/bpf-machine.ts'
import { golden } from '../../test/packets/pcap.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { packetTypes } from '../rawsock/linux.ts'
import { unsolicitedAdvertisement } from './answer.ts'
import { ndpFilter } from './filter.ts'
import { encodeNeighborPacket, solicitedNodeGroup } from './message.ts'

const filter = ndpFilter(['2001:db8:0:2::50', '2001:db8:0:3::7:1'].map(ip), 128)

function solicitation(target: string, hopLimit = 255, type = 135): Uint8Array {
  const bytes = encodeNeighborPacket({
    source: ip('2001:db8:0:2::2'),
    destination: solicitedNodeGroup(ip(target)),
    message: { kind: 'solicitation', targetAddress: ip(target), options: [] },
  })
  bytes[7] = hopLimit
  bytes[40] = type
  return bytes
}

describe('ndpFilter', () => {
  test.each([
    {
      name: 'a solicitation for an announced address',
      packet: solicitation('2001:db8:0:2::50'),
      type: 'multicast',
      passes: true,
    },
    { name: 'a unicast one', packet: solicitation('2001:db8:0:3::7:1'), type: 'host', passes: true },
    {
      name: 'another station’s advertisement of one',
      packet: encodeNeighborPacket(unsolicitedAdvertisement(ip('2001:db8:0:2::50'), mac('02:00:00:00:00:09'))),
      type: 'multicast',
      passes: true,
    },
    {
      name: 'a solicitation for another address',
      packet: solicitation('2001:db8:0:2::51'),
      type: 'multicast',
      passes: false,
    },
    {
      name: 'one that a router forwarded',
      packet: solicitation('2001:db8:0:2::50', 64),
      type: 'multicast',
      passes: false,
    },
    { name: 'an echo request', packet: solicitation('2001:db8:0:2::50', 255, 128), type: 'host', passes: false },
    {
      name: 'a frame for another station, as a foreign VLAN’s looks',
      packet: solicitation('2001:db8:0:2::50'),
      type: 'otherHost',
      passes: false,
    },
    {
      name: 'a cut packet',
      packet: solicitation('2001:db8:0:2::50').subarray(0, 63),
      type: 'multicast',
      passes: false,
    },
  ] as const)('$name: $passes', ({ packet, type, passes }) => {
    expect(runFilter(filter, packet, packetTypes[type]) > 0).toBe(passes)
  })

  test('nothing of what was captured passes while nothing is announced', () => {
    const captured = golden('ndp-', 0x86dd)
    expect(captured.length).toBeGreaterThan(0)
    for (const { bytes } of captured) expect(runFilter(ndpFilter([], 128), bytes, packetTypes.multicast)).toBe(0)
  })

  test('everything captured about 2001:db8:0:2::1 passes once that is announced', () => {
    const about = golden('ndp-', 0x86dd).filter(({ bytes }) => bytes.subarray(48, 64).at(-1) === 1)
    expect(about.length).toBeGreaterThan(5)
    const one = ndpFilter([ip('2001:db8:0:2::1')], 128)
    expect(about.filter(({ bytes }) => runFilter(one, bytes, packetTypes.multicast) === 0)).toEqual([])
  })
})
