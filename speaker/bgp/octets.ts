/** The data field of most errors: nothing. */
export const noOctets: Uint8Array = new Uint8Array(0)

/** The parts behind each other: BGP nests lengths in lengths, so inner fields are written before their size is known. */
export function joinOctets(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}
