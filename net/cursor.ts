/**
 * What a decoder found: a value, or the problem with the bytes. Bytes from the network are hostile until decoded, so a
 * problem is a value that the caller must look at, never an exception that it may forget.
 */
export type Decoded<Value, Problem = string> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: Problem }

/** Thrown by a Reader that runs past its bytes and caught once, by `decoding`. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** Runs a decoder and turns the Malformed that it throws into a value. Other exceptions are bugs and pass through. */
export function decoding<Value>(decode: () => Value): Decoded<Value> {
  try {
    return { ok: true, value: decode() }
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, problem: error.message }
    throw error
  }
}

/** Reads big-endian fields from a slice of bytes and never past its end. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  /** A view of the next octets, not a copy: whoever keeps it past the buffer's next use must copy it. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  skip(length: number): void {
    this.#advance(length)
  }

  #advance(length: number): number {
    if (length > this.remaining) {
      throw new Malformed(`${length} octets wanted at offset ${this.#offset}, ${this.remaining} left`)
    }
    const start = this.#offset
    this.#offset += length
    return start
  }
}

/** Writes big-endian fields into a buffer of a size that the caller knows beforehand. */
export class Writer {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(length: number) {
    this.#bytes = new Uint8Array(length)
    this.#view = new DataView(this.#bytes.buffer)
  }

  uint8(value: number): this {
    this.#view.setUint8(this.#offset, value)
    this.#offset += 1
    return this
  }

  uint16(value: number): this {
    this.#view.setUint16(this.#offset, value)
    this.#offset += 2
    return this
  }

  uint32(value: number): this {
    this.#view.setUint32(this.#offset, value)
    this.#offset += 4
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#offset)
    this.#offset += bytes.length
    return this
  }

  /** The bytes written; a buffer that was sized wrong is a programmer's error. */
  finish(): Uint8Array {
    if (this.#offset !== this.#bytes.length) {
      throw new RangeError(`${this.#offset} octets written into a message of ${this.#bytes.length}`)
    }
    return this.#bytes
  }
}
