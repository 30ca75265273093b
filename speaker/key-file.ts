import { readFile } from 'node:fs/promises'

/** Less is guessed too soon; what `openssl rand` or a chart makes is longer. */
const leastOctets = 16

/** The secret in a file, without the newline that editors leave at its end. Throws what to do where there is none. */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  let text: Buffer
  try {
    text = await readFile(path)
  } catch (cause) {
    throw new Error(
      `the speakers' key ${path} cannot be read: mount the Secret there, or leave --speaker-key-file out`,
      {
        cause,
      },
    )
  }
  const end = text.at(-1) === 0x0a ? text.length - 1 : text.length
  if (end < leastOctets) throw new Error(`the speakers' key ${path} has ${end} octets: make it ${leastOctets} or more`)
  return Uint8Array.from(text.subarray(0, end))
}
