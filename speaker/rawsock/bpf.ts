/**
 * Classic BPF: the little programs that the kernel runs over each packet before a socket sees it. Jumps go forward to
 * labels; where a label is further than the 255 instructions that a conditional jump can skip, the assembler puts an
 * unconditional jump in between.
 */
export type Instruction =
  /** The accumulator becomes 1, 2 or 4 octets of the packet, or one of the kernel's facts about it (`packetFact`). */
  | { readonly kind: 'load'; readonly size: 1 | 2 | 4; readonly offset: number }
  /** Jumps when the accumulator, unsigned, compares so to the value. */
  | { readonly kind: 'jump'; readonly when: keyof typeof conditions; readonly value: number; readonly to: string }
  | { readonly kind: 'goto'; readonly to: string }
  | { readonly kind: 'label'; readonly name: string }
  /** Ends the program: so many octets of the packet are for the socket; 0 drops it. */
  | { readonly kind: 'return'; readonly octets: number }

/** Facts that `load` can ask for besides the packet's octets: SKF_AD_OFF plus the fact's number. */
export const packetFact = { packetType: -0x1000 + 4 } as const

/** The kernel takes no longer programs. */
export const mostInstructions = 4096

const codes = { load: { 1: 0x30, 2: 0x28, 4: 0x20 }, return: 0x06, goto: 0x05 } as const
const jumpEqual = 0x15
const jumpGreater = 0x25
const jumpGreaterOrEqual = 0x35

/** The opcode and whether its true or its false way leads to the label. */
const conditions = {
  '=': [jumpEqual, true],
  '≠': [jumpEqual, false],
  '>': [jumpGreater, true],
  '≤': [jumpGreater, false],
  '≥': [jumpGreaterOrEqual, true],
  '<': [jumpGreaterOrEqual, false],
} as const

type Assembled = readonly [code: number, whenTrue: number, whenFalse: number, k: number]

/** The program as the kernel's `struct sock_filter[]`. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  // Every jump goes forward, so from the end backwards each label's distance is known when it is needed.
  const reversed: Assembled[] = []
  const labels = new Map<string, number>()
  for (const instruction of program.toReversed()) {
    if (instruction.kind === 'label') labels.set(instruction.name, reversed.length)
    else reversed.push(...assembleOne(instruction, name => distance(labels, name, reversed.length)))
  }
  if (reversed.length > mostInstructions) throw new RangeError(`a filter of ${reversed.length} instructions`)
  const bytes = new Uint8Array(reversed.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, [code, whenTrue, whenFalse, k]] of reversed.toReversed().entries()) {
    view.setUint16(index * 8, code, true)
    view.setUint8(index * 8 + 2, whenTrue)
    view.setUint8(index * 8 + 3, whenFalse)
    view.setUint32(index * 8 + 4, k >>> 0, true)
  }
  return bytes
}

/** Instructions between a jump that is assembled now and its label. */
function distance(labels: ReadonlyMap<string, number>, name: string, here: number): number {
  const there = labels.get(name)
  if (there === undefined) throw new RangeError(`no label "${name}" ahead`)
  return here - there
}

/** In reverse order, last instruction first. */
function assembleOne(
  instruction: Exclude<Instruction, { kind: 'label' }>,
  skip: (label: string) => number,
): readonly Assembled[] {
  switch (instruction.kind) {
    case 'load':
      return [[codes.load[instruction.size], 0, 0, instruction.offset]]
    case 'return':
      return [[codes.return, 0, 0, instruction.octets]]
    case 'goto':
      return [[codes.goto, 0, 0, skip(instruction.to)]]
    case 'jump': {
      const [code, whenTrue] = conditions[instruction.when]
      const far = skip(instruction.to)
      if (far <= 255) return [[code, whenTrue ? far : 0, whenTrue ? 0 : far, instruction.value]]
      return [
        [codes.goto, 0, 0, far],
        [code, whenTrue ? 0 : 1, whenTrue ? 1 : 0, instruction.value],
      ]
    }
  }
}
