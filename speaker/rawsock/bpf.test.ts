import { describe, expect, test } from 'vitest'
import { runFilter } from '../../test/packets/bpf-machine.ts'
import { hex, shifted } from '../../test/packets/bytes.ts'
import { assemble, type Instruction } from './bpf.ts'

describe('assemble', () => {
  test('writes what tcpdump -ddd writes for the same program', () => {
    // tcpdump -y EN10MB -ddd arp, with the labels spelled out
    const program = assemble([
      { kind: 'load', size: 2, offset: 12 },
      { kind: 'jump', when: '≠', value: 0x806, to: 'drop' },
      { kind: 'return', octets: 262144 },
      { kind: 'label', name: 'drop' },
      { kind: 'return', octets: 0 },
    ])
    expect(program).toEqual(hex('2800 00 00 0c000000  1500 00 01 06080000  0600 00 00 00000400  0600 00 00 00000000'))
  })

  test.each([
    ['=', [5], [4, 6]],
    ['≠', [4, 6], [5]],
    ['<', [0, 4], [5, 6, 0xffffffff]],
    ['≤', [0, 5], [6, 0xffffffff]],
    ['>', [6, 0xffffffff], [0, 5]],
    ['≥', [5, 0xffffffff], [0, 4]],
  ] as const)('jumps when the word is %s 5, near and far', (when, members, others) => {
    for (const between of [0, 1, 255, 256, 1_000]) {
      const padding: Instruction[] = Array.from({ length: between }, () => ({ kind: 'load', size: 1, offset: 0 }))
      const program = assemble([
        { kind: 'load', size: 4, offset: 0 },
        { kind: 'jump', when, value: 5, to: 'far' },
        ...padding,
        { kind: 'return', octets: 1 },
        { kind: 'label', name: 'far' },
        { kind: 'return', octets: 2 },
      ])
      for (const word of members) expect(runFilter(program, wordBytes(word), 0)).toBe(2)
      for (const word of others) expect(runFilter(program, wordBytes(word), 0)).toBe(1)
    }
  })

  test('refuses a jump to a label that is not ahead', () => {
    const back: Instruction[] = [
      { kind: 'label', name: 'back' },
      { kind: 'goto', to: 'back' },
      { kind: 'return', octets: 0 },
    ]
    expect(() => assemble(back)).toThrow('no label "back" ahead')
  })

  test('refuses a program that the kernel would refuse for its length', () => {
    const long: Instruction[] = Array.from({ length: 4_097 }, () => ({ kind: 'return', octets: 0 }))
    expect(() => assemble(long)).toThrow('a filter of 4097 instructions')
  })
})

function wordBytes(word: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, word)
  return shifted(bytes)
}
