/** The kernel's classic BPF, as far as Berth's filters use it, so that they can be tried without a kernel. */
export function runFilter(program: Uint8Array, packet: Uint8Array, packetType: number): number {
  const instructions = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const data = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  let accumulator = 0
  for (let at = 0; at * 8 < program.length; at++) {
    const code = instructions.getUint16(at * 8, true)
    const whenTrue = instructions.getUint8(at * 8 + 2)
    const whenFalse = instructions.getUint8(at * 8 + 3)
    const k = instructions.getUint32(at * 8 + 4, true)
    const jump = (condition: boolean): void => {
      at += condition ? whenTrue : whenFalse
    }
    switch (code) {
      case 0x20: // load a word, or the packet's type where SKF_AD_PKTTYPE is asked for
      case 0x28:
      case 0x30: {
        const size = { 0x20: 4, 0x28: 2, 0x30: 1 }[code]
        if (k === 0xfffff004) accumulator = packetType
        else if (k + size > packet.length) return 0
        else accumulator = size === 4 ? data.getUint32(k) : size === 2 ? data.getUint16(k) : data.getUint8(k)
        break
      }
      case 0x05:
        at += k
        break
      case 0x15:
        jump(accumulator === k)
        break
      case 0x25:
        jump(accumulator > k)
        break
      case 0x35:
        jump(accumulator >= k)
        break
      case 0x06:
        return k
      default:
        throw new Error(`instruction ${code} is unknown to this machine`)
    }
  }
  throw new Error('the program runs past its end')
}
