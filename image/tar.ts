/**
 * Tar archives (POSIX ustar) as bytes: of the same entries always the same, whoever makes them and when. So every entry
 * belongs to root, dates from 1970, and stands in the order of the names.
 */

/** What an archive holds. Paths have no slash at either end. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'directory'; readonly path: string }

const blockSize = 512

/** The archive, with every folder on the way to an entry. */
export function writeTar(entries: readonly TarEntry[]): Uint8Array {
  const all = withFolders(entries)
  const blocks: Uint8Array[] = []
  for (const entry of all) {
    blocks.push(header(entry))
    if (entry.kind === 'file') blocks.push(entry.content, padding(entry.content.length))
  }
  // Two blocks of nothing are the end.
  return Buffer.concat([...blocks, new Uint8Array(2 * blockSize)])
}

function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const byPath = new Map<string, TarEntry>()
  for (const entry of entries) {
    if (byPath.has(entry.path)) throw new Error(`${entry.path} is in the archive twice`)
    byPath.set(entry.path, entry)
  }
  for (const { path } of entries) {
    const names = path.split('/').slice(0, -1)
    for (let depth = 1; depth <= names.length; depth++) {
      const folder = names.slice(0, depth).join('/')
      const there = byPath.get(folder)
      if (there?.kind === 'file') throw new Error(`${folder} is a file, so ${path} cannot be in it`)
      byPath.set(folder, { kind: 'directory', path: folder })
    }
  }
  return [...byPath.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1))
}

/*
 *   0 name 100 │ 100 mode 8 │ 108 uid 8 │ 116 gid 8 │ 124 size 12 │ 136 mtime 12 │ 148 checksum 8 │ 156 type 1
 * 157 link 100 │ 257 "ustar" 6 │ 263 "00" 2 │ 265 owner 32 │ 297 group 32 │ 329 device 16 │ 345 prefix 155
 */
function header(entry: TarEntry): Uint8Array {
  const bytes = Buffer.alloc(blockSize)
  const isFolder = entry.kind === 'directory'
  const name = isFolder ? `${entry.path}/` : entry.path
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long for the archive: 100 octets at most`)
  bytes.write(name, 0)
  bytes.write(octal(isFolder || entry.executable ? 0o755 : 0o644, 8), 100)
  bytes.write(octal(0, 8), 108)
  bytes.write(octal(0, 8), 116)
  bytes.write(octal(isFolder ? 0 : entry.content.length, 12), 124)
  bytes.write(octal(0, 12), 136)
  // Counted as if it were blank.
  bytes.write(' '.repeat(8), 148)
  bytes.write(isFolder ? '5' : '0', 156)
  bytes.write('ustar\x0000', 257)
  const checksum = bytes.reduce((sum, byte) => sum + byte, 0)
  bytes.write(`${octal(checksum, 7)}\0 `, 148)
  return bytes
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0')
}

function padding(length: number): Uint8Array {
  return new Uint8Array((blockSize - (length % blockSize)) % blockSize)
}
