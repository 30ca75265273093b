import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { targets } from './contents.ts'
import { type Unpacked, unpackDebian } from './debian.ts'

const apt = await promisify(execFile)('apt-get', ['--version']).then(
  () => true,
  () => false,
)
if (!apt) console.warn('Skipped, there is no apt-get on this machine: Debian’s packages come from there')

/** Twenty files of licences. */
const [small] = targets.amd64.libraryPackages

describe.skipIf(!apt)('a package of Debian', () => {
  let cache: string
  let found: Unpacked
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  beforeAll(async () => {
    if (!small) throw new Error('no package is pinned')
    cache = await mkdtemp(join(tmpdir(), 'berth-debian-'))
    vi.stubEnv('XDG_CACHE_HOME', cache)
    found = await unpackDebian('tried', [{ ...small, version: '1.0-1', sha256: 'cd'.repeat(32) }], 'amd64', say)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    if (cache) await rm(cache, { recursive: true })
  })

  test('that the archive has no more is replaced by the newest, which is said and is no secret', async () => {
    expect(found.isPinned).toBe(false)
    expect(found.packages).toMatchObject([{ name: small?.name, version: expect.stringMatching(/^12\./) }])
    expect(said.join('\n')).toContain(`NOTE: apt has no ${small?.name} 1.0-1`)
    const { size } = await stat(join(found.folder, 'usr/share/doc', small?.name ?? '', 'copyright'))
    expect(size).toBeGreaterThan(1_000)
  })

  test('that is there already is not asked for again', async () => {
    said.length = 0
    expect(await unpackDebian('tried', found.packages, 'amd64', say)).toEqual({ ...found, isPinned: true })
    expect(said).toEqual([])
  })

  test('whose bytes are not those of its pin is refused, and nothing of it stays', async () => {
    const before = await readdir(join(cache, 'berth'))
    const wrong = found.packages.map(one => ({ ...one, sha256: 'ab'.repeat(32) }))
    const fetching = unpackDebian('wrong', wrong, 'amd64', say)
    await expect(fetching).rejects.toThrow(`has the SHA-256 ${found.packages[0]?.sha256}`)
    expect(await readdir(join(cache, 'berth'))).toEqual(before)
  })
})
