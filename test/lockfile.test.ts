import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { lockfilePath, missingPackages } from './lockfile.ts'

test('the lock file names every package that `npm ci` will look for; else run node test/lockfile.ts', () => {
  const lockfile = JSON.parse(readFileSync(lockfilePath, 'utf8'))
  expect(Object.keys(lockfile.packages).length).toBeGreaterThan(100)
  expect(Object.keys(missingPackages(lockfile))).toEqual([])
})

test('a package for another platform is written in with what its name says', () => {
  const optionalDependencies = {
    '@tool/cli-darwin-arm64': '1.2.3',
    '@tool/linux-x64-musl': '1.2.3',
    '@tool/here': '1.2.3',
  }
  const lockfile = {
    packages: {
      'node_modules/tool': { version: '1.2.3', dev: true, license: 'MIT', optionalDependencies },
      'node_modules/@tool/here': { version: '1.2.3' },
    },
  }
  const shared = { version: '1.2.3', dev: true, license: 'MIT', optional: true }
  expect(missingPackages(lockfile)).toEqual({
    'node_modules/@tool/cli-darwin-arm64': { ...shared, os: ['darwin'], cpu: ['arm64'] },
    'node_modules/@tool/linux-x64-musl': { ...shared, os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  })
})

test('a package that does not say its platform is named', () => {
  const lockfile = { packages: { 'node_modules/tool': { optionalDependencies: { mystery: '1.0.0' } } } }
  expect(() => missingPackages(lockfile)).toThrow(/lacks mystery/)
})
