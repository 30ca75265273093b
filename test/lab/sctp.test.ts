import { describe, expect, it } from 'vitest'
import { chunkType, decodeSctp, encodeSctp, socketAddress } from './sctp.ts'

const hello = {
  sourcePort: 40_000,
  destinationPort: 2905,
  verificationTag: 0,
  chunk: chunkType.init,
  initiateTag: 7,
  cookie: 'hello',
}

describe('SCTP packets of the lab', () => {
  it('are not taken when a port was rewritten without the checksum', () => {
    const bytes = encodeSctp(hello)
    bytes[3] = 1
    expect(decodeSctp(bytes)).toBeUndefined()
  })

  it('OK, are read as they were written', () => {
    expect(decodeSctp(encodeSctp(hello))).toEqual(hello)
  })
})

describe('socket addresses of the lab', () => {
  it('hold the octets of either family', () => {
    expect(Buffer.from(socketAddress('192.0.2.1')).toString('hex')).toBe('02000000c00002010000000000000000')
    expect(Buffer.from(socketAddress('2001:db8:0:2::10')).toString('hex')).toBe(
      '0a0000000000000020010db800000002000000000000001000000000',
    )
  })
})
