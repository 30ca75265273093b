import { describe, expect, test } from 'vitest'
import { formatAddress } from '../../net/address.ts'
import { broadcastMac, formatMac, sameMac, zeroMac } from '../../net/mac.ts'
import { ip, mac } from '../../test/packets/values.ts'
import { type ArpStation, answerArp, gratuitousArp } from './answer.ts'
import type { ArpPacket } from './packet.ts'

const announced = '192.0.2.50'
const ownMac = mac('02:00:00:00:00:01')
const secondOwnMac = mac('02:00:00:00:00:11')
const clientMac = mac('02:00:00:00:00:02')

const station: ArpStation = {
  mac: ownMac,
  isOwn: one => sameMac(one, ownMac) || sameMac(one, secondOwnMac),
  announces: address => formatAddress(address) === announced,
}

/** A request of the client's for the announced address, with what a row wants otherwise. */
function packet(
  change: Partial<Omit<ArpPacket, 'senderProtocolAddress' | 'targetProtocolAddress'>> & {
    from?: string
    for?: string
  } = {},
): ArpPacket {
  const { from = '192.0.2.2', for: target = announced, ...rest } = change
  return {
    operation: 'request',
    senderHardwareAddress: clientMac,
    targetHardwareAddress: zeroMac,
    ...rest,
    senderProtocolAddress: ip(from),
    targetProtocolAddress: ip(target),
  }
}

describe('answerArp', () => {
  test.each([
    { name: 'a broadcast request', asked: packet() },
    { name: 'a request that checks a cache entry and names our MAC', asked: packet({ targetHardwareAddress: ownMac }) },
    { name: 'a request with a strange target MAC', asked: packet({ targetHardwareAddress: broadcastMac }) },
  ])('answers $name', ({ asked }) => {
    expect(answerArp(asked, station)).toEqual({
      kind: 'reply',
      packet: {
        operation: 'reply',
        senderHardwareAddress: ownMac,
        senderProtocolAddress: ip(announced),
        targetHardwareAddress: clientMac,
        targetProtocolAddress: ip('192.0.2.2'),
      },
    })
  })

  test('defends the address against a probe (RFC 5227)', () => {
    expect(answerArp(packet({ from: '0.0.0.0' }), station)).toMatchObject({
      kind: 'reply',
      packet: {
        senderProtocolAddress: ip(announced),
        targetHardwareAddress: clientMac,
        targetProtocolAddress: ip('0.0.0.0'),
      },
    })
  })

  test.each([
    { name: 'announcement in the form of a request', claim: packet({ from: announced }) },
    {
      name: 'announcement in the form of a reply',
      claim: packet({ from: announced, operation: 'reply', targetHardwareAddress: broadcastMac }),
    },
    {
      name: 'reply to someone else’s request',
      claim: packet({ from: announced, operation: 'reply', for: '192.0.2.9' }),
    },
    {
      name: 'request for another address, sent from the announced one',
      claim: packet({ from: announced, for: '192.0.2.9' }),
    },
  ])('reports, and does not answer, another station’s $name', ({ claim }) => {
    expect(answerArp(claim, station)).toEqual({ kind: 'seen', address: ip(announced), mac: clientMac })
  })

  test.each([
    { name: 'requests for other addresses', asked: packet({ for: '192.0.2.51' }), reason: 'otherAddress' },
    {
      name: 'announcements of other addresses',
      asked: packet({ from: '192.0.2.7', for: '192.0.2.7' }),
      reason: 'otherAddress',
    },
    { name: 'replies to the announced address', asked: packet({ operation: 'reply' }), reason: 'notARequest' },
    {
      name: 'its own announcement, looped back by a bond',
      asked: packet({ from: announced, senderHardwareAddress: ownMac }),
      reason: 'own',
    },
    {
      name: 'requests of its own kernel on another interface',
      asked: packet({ senderHardwareAddress: secondOwnMac }),
      reason: 'own',
    },
    {
      name: 'a sender whose MAC is the broadcast address',
      asked: packet({ senderHardwareAddress: broadcastMac }),
      reason: 'badSender',
    },
    {
      name: 'a sender whose MAC is a group',
      asked: packet({ senderHardwareAddress: mac('01:00:5e:00:00:01') }),
      reason: 'badSender',
    },
    { name: 'a sender without a MAC', asked: packet({ senderHardwareAddress: zeroMac }), reason: 'badSender' },
  ])('ignores $name', ({ asked, reason }) => {
    expect(answerArp(asked, station)).toEqual({ kind: 'ignore', reason })
  })
})

describe('gratuitousArp', () => {
  test('is a request and a reply, both from the address to itself', () => {
    const [request, reply, ...more] = gratuitousArp(ip(announced), ownMac)
    expect(more).toEqual([])
    expect(request).toMatchObject({ operation: 'request', targetHardwareAddress: zeroMac })
    expect(reply).toMatchObject({ operation: 'reply', targetHardwareAddress: broadcastMac })
    for (const form of [request, reply]) {
      expect(form).toMatchObject({ senderProtocolAddress: ip(announced), targetProtocolAddress: ip(announced) })
      expect(form && formatMac(form.senderHardwareAddress)).toBe(formatMac(ownMac))
    }
  })

  test('is taken for a claim by another speaker that announces the address', () => {
    const other: ArpStation = { ...station, mac: clientMac, isOwn: one => sameMac(one, clientMac) }
    for (const form of gratuitousArp(ip(announced), ownMac)) {
      expect(answerArp(form, other)).toEqual({ kind: 'seen', address: ip(announced), mac: ownMac })
    }
  })
})
