import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type TarEntry, writeTar } from './tar.ts'

const file = (path: string, text: string, executable = false): TarEntry => ({
  kind: 'file',
  path,
  content: Buffer.from(text),
  executable,
})

test('the machine’s own tar reads it: content, rights, owner and folders', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-tar-'))
  try {
    const archive = join(folder, 'a.tar')
    const text = 'x'.repeat(1000)
    writeFileSync(archive, writeTar([file('usr/bin/program', text, true), file('etc/empty', '')]))
    const listing = execFileSync('tar', ['--numeric-owner', '--full-time', '--utc', '-tvf', archive], {
      encoding: 'utf8',
    })
    const rows = listing
      .trimEnd()
      .split('\n')
      .map(line => line.split(/\s+/))
    expect(rows).toEqual([
      ['drwxr-xr-x', '0/0', '0', '1970-01-01', '00:00:00', 'etc/'],
      ['-rw-r--r--', '0/0', '0', '1970-01-01', '00:00:00', 'etc/empty'],
      ['drwxr-xr-x', '0/0', '0', '1970-01-01', '00:00:00', 'usr/'],
      ['drwxr-xr-x', '0/0', '0', '1970-01-01', '00:00:00', 'usr/bin/'],
      ['-rwxr-xr-x', '0/0', '1000', '1970-01-01', '00:00:00', 'usr/bin/program'],
    ])
    execFileSync('tar', ['-xf', archive, '-C', folder])
    expect(readFileSync(join(folder, 'usr/bin/program'), 'utf8')).toBe(text)
    expect(statSync(join(folder, 'usr/bin/program')).mode & 0o777).toBe(0o755)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the order in which entries are given does not matter', () => {
  const [one, other] = [file('b/two', '2'), file('a', '1')]
  expect(writeTar([one, other])).toEqual(writeTar([other, one]))
})

test.each([
  ['the same path twice', [file('a', '1'), file('a', '2')], 'a is in the archive twice'],
  ['a file in a file', [file('a', '1'), file('a/b', '2')], 'a is a file, so a/b cannot be in it'],
  ['a path that the format has no room for', [file('a'.repeat(101), '')], '100 octets at most'],
])('%s is refused', (_, entries, says) => {
  expect(() => writeTar(entries)).toThrow(says)
})
