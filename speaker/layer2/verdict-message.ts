import { type Decoded, decoding, Malformed, Reader, Writer } from '../../net/cursor.ts'

/*
 * What speakers tell each other directly, a UDP datagram each: whom they miss. A message says all that its sender has to
 * say, not what has changed, so that a lost one is made good by the next and the latest is all that counts.
 *
 *    0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   |  'B'          |  'V'          |  version = 1  |  kind         |
 *   +---------------+---------------+---------------+---------------+
 *   |  number of runs               |  reserved = 0                 |
 *   +---------------+---------------+---------------+---------------+
 *   |  sequence (64 bits)                                           |
 *   |  nonce (64 bits)                                              |
 *   |  sender's run (128 bits), receiver's run (128 bits)           |
 *   |  runs that the sender misses (128 bits each)                  |
 *   |  HMAC-SHA256 over all of the above (256 bits)                 |
 *   +---------------------------------------------------------------+
 *
 * Nodes are named by the run of their speaker (a UUID, known from its Lease), so that what was said of a process that has
 * ended says nothing of the next one. Against replay: the receiver's run stands in every message, so that nothing recorded
 * counts for a receiver that restarted; of one sender's run only higher sequences than the last are taken; an answer
 * repeats the nonce of its question. No clocks are compared. The key must be for this alone: derive it from the
 * installation's secret.
 */

/**
 * `verdicts` = whom I miss; `question` = do you miss me?; `answer` = whom I miss, and the question's nonce; `unable` = whom I miss,
 * and I cannot answer for anything until I say otherwise, or say nothing more; `farewell` = I have stopped answering for good.
 */
export type VerdictKind = 'verdicts' | 'question' | 'answer' | 'unable' | 'farewell'

export interface VerdictMessage {
  readonly kind: VerdictKind
  /** Runs are UUIDs in lower case. */
  readonly sender: string
  readonly receiver: string
  /** Grows with every message of this run of the sender, whoever it goes to. */
  readonly sequence: number
  /** Of a question or its answer; otherwise 0. */
  readonly nonce: number
  /** The runs whose sessions the sender has lost. */
  readonly missed: readonly string[]
}

/** HMAC-SHA256 with the key of this protocol, handed in: codecs know no library. */
export type Sign = (bytes: Uint8Array) => Uint8Array

const kinds: readonly VerdictKind[] = ['verdicts', 'question', 'answer', 'unable', 'farewell']
const mark = 0x4256
const version = 1
const fixedLength = 56
const runLength = 16
const signatureLength = 32
/** More than anybody watches; what is above is left for the next message. */
export const mostMissed = 64

/** The datagram. Throws a RangeError for runs that are no UUIDs: those are the caller's own. */
export function encodeVerdicts(message: VerdictMessage, sign: Sign): Uint8Array {
  const missed = message.missed.slice(0, mostMissed)
  const length = fixedLength + missed.length * runLength
  const writer = new Writer(length)
  writer.uint16(mark).uint8(version).uint8(kinds.indexOf(message.kind)).uint16(missed.length).uint16(0)
  writeLong(writer, message.sequence)
  writeLong(writer, message.nonce)
  for (const run of [message.sender, message.receiver, ...missed]) writer.bytes(octetsOf(run))
  const body = writer.finish()
  return new Writer(length + signatureLength).bytes(body).bytes(sign(body)).finish()
}

/** The message in a datagram, or what is wrong with it. Whether it is for us and new, `isFresh` knows. */
export function decodeVerdicts(bytes: Uint8Array, sign: Sign): Decoded<VerdictMessage> {
  return decoding(() => {
    if (bytes.length < fixedLength + signatureLength) throw new Malformed(`${bytes.length} octets are no message`)
    const body = bytes.subarray(0, bytes.length - signatureLength)
    const reader = new Reader(body)
    const found = reader.uint16()
    const written = reader.uint8()
    if (found !== mark || written !== version) throw new Malformed(`not version ${version} of this protocol`)
    if (!isSame(sign(body), bytes.subarray(body.length))) throw new Malformed('the signature is wrong')
    const kind = kinds[reader.uint8()]
    if (kind === undefined) throw new Malformed('a kind of message that nobody knows')
    const count = reader.uint16()
    reader.skip(2)
    const sequence = readLong(reader)
    const nonce = readLong(reader)
    const sender = textOf(reader.bytes(runLength))
    const receiver = textOf(reader.bytes(runLength))
    if (count > mostMissed || reader.remaining !== count * runLength) {
      throw new Malformed(`${count} runs do not fit into ${reader.remaining} octets`)
    }
    const missed = Array.from({ length: count }, () => textOf(reader.bytes(runLength)))
    return { kind, sender, receiver, sequence, nonce, missed }
  })
}

/** Whether a message is for this run and newer than the last one taken from its sender. */
export function isFresh(
  message: VerdictMessage,
  self: { readonly run: string },
  lastSequence: number | undefined,
): boolean {
  return message.receiver === self.run && message.sender !== self.run && message.sequence > (lastSequence ?? -1)
}

/** Numbers up to 2^53 in 64 bits. */
function writeLong(writer: Writer, value: number): void {
  writer.uint32(Math.floor(value / 2 ** 32)).uint32(value % 2 ** 32)
}

function readLong(reader: Reader): number {
  const value = reader.uint32() * 2 ** 32 + reader.uint32()
  if (!Number.isSafeInteger(value)) throw new Malformed('a number above 2^53')
  return value
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function octetsOf(run: string): Uint8Array {
  if (!uuid.test(run)) throw new RangeError(`"${run}" is no UUID in lower case`)
  return Uint8Array.from(run.replaceAll('-', '').match(/../g) ?? [], pair => Number.parseInt(pair, 16))
}

function textOf(octets: Uint8Array): string {
  const digits = Array.from(octets, octet => octet.toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Takes as long for any two signatures, so that time tells nobody how many octets were guessed. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length
  for (const [index, octet] of one.entries()) difference |= octet ^ (other[index] ?? 0)
  return difference === 0
}
