import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { reversePathFilterOf } from './kernel-settings.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-settings-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function set(name: string, value: number): void {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'rp_filter'), `${value}\n`)
}

test.each([
  { all: 0, own: 1, counts: 1 },
  { all: 1, own: 0, counts: 1 },
  // Loose for one is loose, though all are strict.
  { all: 1, own: 2, counts: 2 },
  { all: 0, own: 0, counts: 0 },
])('of $all for all interfaces and $own for this one counts $counts', ({ all, own, counts }) => {
  set('all', all)
  set('eth0.100', own)
  expect(reversePathFilterOf('eth0.100', folder)).toBe(counts)
})

test('of an interface that has gone nothing is known', () => {
  set('all', 1)
  expect(reversePathFilterOf('eth9', folder)).toBeUndefined()
})

test('the loopback of this machine has a setting', () => {
  expect([0, 1, 2]).toContain(reversePathFilterOf('lo'))
})
