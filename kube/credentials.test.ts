import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tokenFromFile } from './credentials.ts'

const folder = mkdtempSync(join(tmpdir(), 'berth-token-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'token')

test('everybody who asks while the file is first read gets the token, and nobody goes without one', async () => {
  writeFileSync(path, 'first\n')
  const token = tokenFromFile(path)
  expect(await Promise.all([token(), token(), token({ fresh: true }), token()])).toEqual(Array(4).fill('first'))
})

test('a file that is not there yet is looked for again at once', async () => {
  rmSync(path)
  const token = tokenFromFile(path)
  await expect(Promise.all([token(), token()])).rejects.toThrow(`cannot read the service account token ${path}`)
  writeFileSync(path, 'late')
  expect(await token()).toBe('late')
})
