/** Octets from hexadecimal digits; spaces and line ends between them are for the reader. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not octets: ${text}`)
  return Uint8Array.from(digits.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
}

/** The same octets in the middle of a larger buffer, where a decoder that forgets byteOffset reads something else. */
export function shifted(bytes: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 12).fill(0xee)
  buffer.set(bytes, 5)
  return buffer.subarray(5, 5 + bytes.length)
}
