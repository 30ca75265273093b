import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatMac } from '../../net/mac.ts'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { goldenPackets } from '../../test/packets/pcap.ts'
import { ip } from '../../test/packets/values.ts'
import { decodeNetlink, encodeAddressDumpRequest, encodeLinkDumpRequest, type NetlinkMessage } from './message.ts'

const story = goldenPackets('netlink-')

function decodeAll(): readonly NetlinkMessage[] {
  return story.flatMap(({ name, bytes }) => {
    const decoded = decodeNetlink(shifted(bytes))
    if (!decoded.ok) throw new Error(`${name}: ${decoded.problem}`)
    return decoded.value
  })
}

describe('what Linux told of a node whose interface was put into a bridge and taken out again', () => {
  test('there are captures', () => {
    expect(story.length).toBeGreaterThan(10)
  })

  test('the dumps tell the links and their addresses, and that this was all', () => {
    const messages = decodeAll()
    const firstDump = messages.slice(
      0,
      messages.findIndex(({ kind }) => kind === 'done'),
    )
    expect(firstDump).toMatchObject([
      { kind: 'link', link: { name: 'lo', hardwareType: 772, mtu: 65_536, master: undefined } },
      { kind: 'link', link: { name: 'eth0', index: 2, hardwareType: 1, mtu: 1_500, master: undefined } },
    ])
    const [, eth0] = firstDump
    expect(eth0?.kind === 'link' && formatMac(eth0.link.mac)).toBe('02:00:00:00:00:01')
    expect(messages.filter(({ kind }) => kind === 'done')).toEqual([
      { kind: 'done', interrupted: false },
      { kind: 'done', interrupted: false },
    ])
    expect(messages).toContainEqual({
      kind: 'address',
      address: { linkIndex: 2, address: ip('192.0.2.1'), prefixLength: 24 },
    })
    expect(messages).toContainEqual({
      kind: 'address',
      address: { linkIndex: 2, address: ip('2001:db8:0:2::1'), prefixLength: 64 },
    })
  })

  test('then eth0 had a master, had none again, and was never gone', () => {
    const messages = decodeAll()
    const masters = messages.flatMap(message =>
      message.kind === 'link' && message.link.name === 'eth0' ? [message.link.master] : [],
    )
    expect(masters[0]).toBeUndefined()
    expect(masters).toContain(3)
    expect(masters.at(-1)).toBeUndefined()
    // The bridge's own "deleted" of a port that leaves is not the kernel's of a link that goes.
    expect(messages.filter(({ kind }) => kind === 'linkGone')).toEqual([{ kind: 'linkGone', index: 3 }])
  })

  test('an address came and went', () => {
    const address = { linkIndex: 2, address: ip('198.51.100.1'), prefixLength: 24 }
    const messages = decodeAll()
    const came = messages.findIndex(
      message => message.kind === 'address' && message.address.address.value === address.address.value,
    )
    expect(messages[came]).toEqual({ kind: 'address', address })
    expect(messages.slice(came + 1)).toContainEqual({ kind: 'addressGone', address })
  })
})

describe('decodeNetlink', () => {
  test.each([
    {
      name: 'a refusal',
      bytes: '24000000 0200 0000 01000000 00000000  ffffffff 14000000 1200 0103 01000000 00000000',
      messages: [{ kind: 'error', errno: 1 }],
    },
    { name: 'an acknowledgement', bytes: '14000000 0200 0000 01000000 00000000  00000000', messages: [] },
    {
      name: 'the end of an interrupted dump',
      bytes: '14000000 0300 1000 01000000 00000000  00000000',
      messages: [{ kind: 'done', interrupted: true }],
    },
    {
      name: 'a kind of message that is not asked for',
      bytes: '14000000 1800 0000 01000000 00000000  00000000',
      messages: [],
    },
    {
      name: 'a point-to-point address: ours, not the other end’s',
      bytes: '28000000 1400 0000 00000000 00000000  02 20 80 00 05000000  0800 0100 c0000209  0800 0200 c0000201',
      messages: [{ kind: 'address', address: { linkIndex: 5, address: ip('192.0.2.1'), prefixLength: 32 } }],
    },
    {
      name: 'a link without a MAC and a name',
      bytes: '20000000 1000 0000 00000000 00000000  00 00 ffff 07000000 91000000 00000000',
      messages: [
        {
          kind: 'link',
          link: {
            index: 7,
            name: '',
            hardwareType: 65_535,
            flags: 0x91,
            mac: new Uint8Array(),
            mtu: 0,
            master: undefined,
          },
        },
      ],
    },
  ])('$name', ({ bytes, messages }) => {
    expect(decodeNetlink(shifted(hex(bytes)))).toEqual({ ok: true, value: messages })
  })

  test.each([
    { name: 'half a header', bytes: '14000000 0300', problem: '6 octets where a message should begin' },
    {
      name: 'a length shorter than the header',
      bytes: '0f000000 0300 0000 01000000 00000000',
      problem: 'a message of 15 octets',
    },
    {
      name: 'a length longer than what is there',
      bytes: '40000000 0300 0000 01000000 00000000',
      problem: 'a message of 64 octets',
    },
    {
      name: 'a link without its head',
      bytes: '14000000 1000 0000 00000000 00000000 00000100',
      problem: '4 octets where 16 should be',
    },
    {
      name: 'an attribute longer than its message',
      bytes: '24000000 1000 0000 00000000 00000000  00 00 0100 07000000 91000000 00000000  0900 0300',
      problem: 'an attribute of 9 octets',
    },
    {
      name: 'an attribute of length zero',
      bytes: '24000000 1000 0000 00000000 00000000  00 00 0100 07000000 91000000 00000000  0000 0300',
      problem: 'an attribute of 0 octets',
    },
  ])('a problem: $name', ({ bytes, problem }) => {
    expect(decodeNetlink(shifted(hex(bytes)))).toEqual({ ok: false, problem })
  })

  test('no bytes make it throw', () => {
    const mangled = fc
      .tuple(
        fc.constantFrom(...story.map(({ bytes }) => bytes)),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
        fc.nat(3_000),
      )
      .map(([bytes, changes, length]) => {
        const copy = Uint8Array.from(bytes)
        for (const [at, octet] of changes) if (at < copy.length) copy[at] = octet
        return copy.subarray(0, length)
      })
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 128 }), mangled), bytes => {
        if (decodeNetlink(shifted(bytes)).ok) accepted++
      }),
      { numRuns: 2_000 },
    )
    expect(accepted).toBeGreaterThan(10)
  })
})

test('the requests ask for all links without statistics, and for all addresses', () => {
  expect(encodeLinkDumpRequest(7)).toEqual(
    hex('28000000 1200 0103 07000000 00000000  00000000 00000000 00000000 00000000  0800 1d00 08000000'),
  )
  expect(encodeAddressDumpRequest(8)).toEqual(hex('18000000 1600 0103 08000000 00000000  00000000 00000000'))
})
