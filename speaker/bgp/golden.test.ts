import { describe, expect, test } from 'vitest'
import { goldenPackets } from '../../test/packets/pcap.ts'
import { type Frame, takeFrames } from './framer.ts'
import { decodeMessage, encodeMessage, type ReceivedMessage } from './message.ts'
import { formatNotification } from './notification.ts'
import { joinOctets, noOctets } from './octets.ts'
import { asOf } from './open.ts'
import { formatPrefix } from './route.ts'
import { endOfRibFamily, type Update } from './update.ts'

/* What FRR, BIRD and GoBGP say in a session (test/interop/capture.ts): read, written again, and read once more. */

const makes = ['frr', 'bird', 'gobgp']
const sessions = ['ebgp', 'ibgp', 'large-as']

/** What a router said over TCP, in the order of its segments; captures on a cable between namespaces lose none. */
function said(file: string): Uint8Array {
  const segments = new Map<number, Uint8Array>()
  for (const { bytes } of goldenPackets(file)) {
    const isIPv6 = bytes[12] === 0x86
    const tcp = bytes.subarray(14 + (isIPv6 ? 40 : ((bytes[14] ?? 0) & 15) * 4))
    const view = new DataView(tcp.buffer, tcp.byteOffset, tcp.byteLength)
    const payload = tcp.subarray(((tcp[12] ?? 0) >> 4) * 4)
    const padded = !isIPv6 && bytes.length === 60 // the shortest frame of Ethernet
    if (payload.length > 0 && !padded) segments.set(view.getUint32(4), payload)
  }
  return joinOctets([...segments.entries()].sort(([one], [other]) => one - other).map(([, payload]) => payload))
}

function decode(frame: Frame, internal: boolean): ReceivedMessage {
  const decoded = decodeMessage(frame, { fourOctetAs: true, internal })
  if (!decoded.ok) throw new Error(formatNotification(decoded.problem))
  return decoded.value
}

/** The prefixes that an UPDATE announces, wherever they stand in it. */
function announcedBy({ nlri, attributes: { mpReach } }: Update): readonly string[] {
  return [...nlri, ...(mpReach?.kind === 'unicast' ? mpReach.nlri : [])].map(formatPrefix)
}

for (const make of makes) {
  for (const session of sessions) {
    describe(`${make}, ${session}`, () => {
      const internal = session === 'ibgp'
      const { frames, rest, problem } = takeFrames(noOctets, said(`bgp-${make}-${session}`))
      const messages = frames.map(frame => decode(frame, internal))
      const updates = messages.filter(message => message.kind === 'update')

      test('is cut into whole messages', () => {
        expect([rest.length, problem]).toEqual([0, undefined])
        expect(messages.length).toBeGreaterThan(8)
      })

      test('every message means the same after it was written again', () => {
        for (const message of messages) {
          const [again] = takeFrames(noOctets, encodeMessage(message, { fourOctetAs: true })).frames
          const told = message.kind === 'update' ? { ...message, problems: [] } : message
          expect(again && decode(again, internal)).toEqual(told)
        }
      })

      test('what has one spelling only is written to the same octets', () => {
        const plain = frames.flatMap((frame, index) => {
          const message = messages[index]
          const isPlain = message && ['keepalive', 'notification'].includes(message.kind)
          return isPlain ? [[encodeMessage(message, { fourOctetAs: true }).subarray(19), frame.body] as const] : []
        })
        expect(plain.length).toBeGreaterThan(3)
        expect(plain.map(([written]) => written)).toEqual(plain.map(([, read]) => read))
      })

      test('its OPEN says who it is', () => {
        const [first] = messages
        const open = first?.kind === 'open' ? first.open : undefined
        expect(open && asOf(open)).toBe({ ebgp: 64513, ibgp: 64512, 'large-as': 4200000002 }[session])
        expect(open?.bgpIdentifier).toBe(0xc0000202)
        expect(open?.capabilities).toContainEqual({ kind: 'multiprotocol', afi: 2, safi: 1 })
      })

      test('its routes come with everything that was said of them, and go', () => {
        const problems = updates.flatMap(update =>
          update.problems.map(({ notification }) => formatNotification(notification)),
        )
        // Over IPv6 FRR 8.4 has no next hop for IPv4 routes, says 0.0.0.0, and is not believed (RFC 4271 §6.3).
        const isAstray = make === 'frr' && session === 'large-as'
        const invalid = 'UPDATE Message Error: Invalid NEXT_HOP Attribute'
        expect(new Set(problems)).toEqual(new Set(isAstray ? [invalid] : []))
        const own = ['198.51.100.0/24', '2001:db8:51::/48']
        const believed = isAstray ? own.slice(1) : own
        const announced = updates.flatMap(({ update }) => announcedBy(update))
        expect(own.filter(prefix => announced.includes(prefix))).toEqual(believed)
        const withdrawn = updates.flatMap(({ update: { withdrawn: gone, attributes } }) => [
          ...gone,
          ...(attributes.mpUnreach?.kind === 'unicast' ? attributes.mpUnreach.withdrawn : []),
        ])
        expect(withdrawn.map(formatPrefix)).toEqual(expect.arrayContaining(['198.51.100.0/24', '2001:db8:51::/48']))
        const decorated = updates.find(({ update }) => announcedBy(update).includes(believed[0] ?? ''))
        expect(decorated?.update.attributes).toMatchObject({
          origin: make === 'gobgp' ? 'INCOMPLETE' : 'IGP',
          multiExitDisc: 50,
          communities: [0xfc010001, 0xffffff01],
          largeCommunities: [{ globalAdministrator: 64513, data1: 1, data2: 2 }],
        })
        expect(updates.map(({ update }) => endOfRibFamily(update))).toEqual(expect.arrayContaining(['IPv4', 'IPv6']))
      })

      test('it says why it leaves', () => {
        const last = messages.at(-1)
        expect(last?.kind === 'notification' && formatNotification(last.notification)).toMatch(
          /Administrative|Peer De-configured/,
        )
      })
    })
  }
}
