/** One line longer than this is no watch event: etcd holds no object of more than a few megabytes. */
export const maxLineBytes = 32 * 1024 * 1024

const newline = 0x0a

/**
 * Cuts a stream of bytes at line feeds. A line that lies within one chunk is decoded where it lies, without a copy; a
 * character split between two chunks stays whole, since only whole lines are decoded.
 */
export function createLineSplitter(limitBytes: number = maxLineBytes): (chunk: Buffer) => readonly string[] {
  let pending: Buffer[] = []
  let pendingBytes = 0
  return chunk => {
    const lines: string[] = []
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      if (pendingBytes === 0) {
        if (end > start) lines.push(chunk.toString('utf8', start, end))
      } else {
        pending.push(chunk.subarray(start, end))
        lines.push(Buffer.concat(pending).toString('utf8'))
        pending = []
        pendingBytes = 0
      }
      start = end + 1
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start))
      pendingBytes += chunk.length - start
      if (pendingBytes > limitBytes) throw new RangeError(`a line of the watch is longer than ${limitBytes} bytes`)
    }
    return lines
  }
}
