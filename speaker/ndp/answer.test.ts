import { describe, expect, test } from 'vitest'
import { formatAddress } from '../../net/address.ts'
import { broadcastMac, sameMac, zeroMac } from '../../net/mac.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { answerNeighbor, type NdpStation, unsolicitedAdvertisement } from './answer.ts'
import { allNodes, type NeighborPacket, solicitedNodeGroup } from './message.ts'
import type { NdpOption } from './option.ts'

const announced = ip('2001:db8:0:2::50')
const client = ip('2001:db8:0:2::2')
const ownMac = mac('02:00:00:00:00:01')
const clientMac = mac('02:00:00:00:00:02')

const station: NdpStation = {
  mac: ownMac,
  isOwn: one => sameMac(one, ownMac),
  announces: address => formatAddress(address) === formatAddress(announced),
}

function solicitation(from = client, to = solicitedNodeGroup(announced), ...options: NdpOption[]): NeighborPacket {
  return { source: from, destination: to, message: { kind: 'solicitation', targetAddress: announced, options } }
}

function advertisement(target = announced, ...options: NdpOption[]): NeighborPacket {
  return {
    source: client,
    destination: allNodes,
    message: {
      kind: 'advertisement',
      router: false,
      solicited: false,
      override: true,
      targetAddress: target,
      options,
    },
  }
}

const sourceMac = (value: Uint8Array): NdpOption => ({ kind: 'sourceLinkLayerAddress', mac: value })

describe('answerNeighbor', () => {
  test.each([
    { name: 'a solicitation to the group', asked: solicitation(client, undefined, sourceMac(clientMac)) },
    { name: 'a unicast solicitation that checks a cache entry', asked: solicitation(client, announced) },
  ])('answers $name from the address itself: solicited, override, no router', ({ asked }) => {
    expect(answerNeighbor(asked, clientMac, station)).toEqual({
      kind: 'reply',
      to: clientMac,
      packet: {
        source: announced,
        destination: client,
        message: {
          kind: 'advertisement',
          router: false,
          solicited: true,
          override: true,
          targetAddress: announced,
          options: [{ kind: 'targetLinkLayerAddress', mac: ownMac }],
        },
      },
    })
  })

  test('sends the answer to the MAC that the solicitation names, not to the frame’s sender', () => {
    const behindProxy = mac('02:00:00:00:00:99')
    const asked = solicitation(client, undefined, sourceMac(behindProxy))
    expect(answerNeighbor(asked, clientMac, station)).toMatchObject({ kind: 'reply', to: behindProxy })
  })

  test('defends the address against Duplicate Address Detection: to all nodes, not solicited', () => {
    expect(answerNeighbor(solicitation(ip('::')), clientMac, station)).toMatchObject({
      kind: 'reply',
      to: undefined,
      packet: { source: announced, destination: allNodes, message: { solicited: false, override: true } },
    })
  })

  test('reports another station’s advertisement with the MAC that it names', () => {
    const other = mac('02:00:00:00:00:77')
    const named = advertisement(announced, { kind: 'targetLinkLayerAddress', mac: other })
    expect(answerNeighbor(named, clientMac, station)).toEqual({ kind: 'seen', address: announced, mac: other })
    expect(answerNeighbor(advertisement(), clientMac, station)).toEqual({
      kind: 'seen',
      address: announced,
      mac: clientMac,
    })
  })

  test.each([
    {
      name: 'its own advertisement, looped back',
      asked: unsolicitedAdvertisement(announced, ownMac),
      sender: ownMac,
      reason: 'own',
    },
    {
      name: 'its own MAC, told by a proxy',
      asked: unsolicitedAdvertisement(announced, ownMac),
      sender: clientMac,
      reason: 'own',
    },
    {
      name: 'advertisements of other addresses',
      asked: advertisement(ip('2001:db8:0:2::51')),
      sender: clientMac,
      reason: 'otherAddress',
    },
    {
      name: 'an asker whose MAC is the broadcast address',
      asked: solicitation(client, undefined, sourceMac(broadcastMac)),
      sender: clientMac,
      reason: 'badSender',
    },
    {
      name: 'an asker without a MAC',
      asked: solicitation(client, undefined, sourceMac(zeroMac)),
      sender: clientMac,
      reason: 'badSender',
    },
    { name: 'a frame from a group', asked: solicitation(), sender: mac('33:33:00:00:00:01'), reason: 'badSender' },
  ])('ignores $name', ({ asked, sender, reason }) => {
    expect(answerNeighbor(asked, sender, station)).toEqual({ kind: 'ignore', reason })
  })
})

test('an unsolicited advertisement goes to all nodes and overrides what they know', () => {
  expect(unsolicitedAdvertisement(announced, ownMac)).toEqual({
    source: announced,
    destination: allNodes,
    message: {
      kind: 'advertisement',
      router: false,
      solicited: false,
      override: true,
      targetAddress: announced,
      options: [{ kind: 'targetLinkLayerAddress', mac: ownMac }],
    },
  })
})
