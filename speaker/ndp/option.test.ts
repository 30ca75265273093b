import { describe, expect, test } from 'vitest'
import { Reader } from '../../net/cursor.ts'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { mac } from '../../test/packets/values.ts'
import { decodeOptions, encodeOptions, type NdpOption } from './option.ts'

const rows: readonly { name: string; options: readonly NdpOption[]; bytes: Uint8Array }[] = [
  { name: 'none', options: [], bytes: hex('') },
  {
    name: 'both link-layer addresses and a nonce (RFC 3971) between them',
    options: [
      { kind: 'sourceLinkLayerAddress', mac: mac('02:00:00:00:00:02') },
      { kind: 'other', type: 14, value: hex('a1a2a3a4a5a6') },
      { kind: 'targetLinkLayerAddress', mac: mac('02:00:00:00:00:01') },
    ],
    bytes: hex('01 01 020000000002  0e 01 a1a2a3a4a5a6  02 01 020000000001'),
  },
  {
    name: 'an option of three units',
    options: [{ kind: 'other', type: 200, value: hex('00'.repeat(22)) }],
    bytes: hex(`c8 03 ${'00'.repeat(22)}`),
  },
]

describe('options', () => {
  test.each(rows)('$name: the same in values and in bytes', ({ options, bytes }) => {
    expect(encodeOptions(options)).toEqual(bytes)
    expect(decodeOptions(new Reader(shifted(bytes)))).toEqual(options)
  })

  test.each([
    { name: 'length zero', bytes: '0e 00 000000000000', problem: 'an option of length zero' },
    { name: 'only a type', bytes: '01', problem: '1 octets wanted at offset 1, 0 left' },
    { name: 'cut off', bytes: '01 01 0200', problem: '6 octets wanted at offset 2, 2 left' },
    {
      name: 'an InfiniBand address',
      bytes: `01 02 ${'00'.repeat(14)}`,
      problem: 'a link-layer address that is not of Ethernet',
    },
  ])('malformed: $name', ({ bytes, problem }) => {
    expect(() => decodeOptions(new Reader(shifted(hex(bytes))))).toThrow(problem)
  })
})
