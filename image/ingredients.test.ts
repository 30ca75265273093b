import { expect, test } from 'vitest'
import { bundledPackages, type LockFile } from './ingredients.ts'

const lock: LockFile = {
  version: '1.0.0',
  packages: {
    'node_modules/yaml': { version: '2.0.0', license: 'ISC', integrity: 'sha512-AAAA' },
    'node_modules/@scope/thing': { version: '1.0.0' },
    'node_modules/@scope/thing/node_modules/yaml': { version: '1.0.0', license: 'ISC' },
    'node_modules/other/node_modules/yaml': { version: '2.0.0', license: 'ISC' },
  },
}

test('each package once a version, whichever folder it lies in', () => {
  const inputs = [
    'controller/main.ts',
    'node_modules/yaml/dist/index.js',
    'node_modules/yaml/dist/parse.js',
    'node_modules/@scope/thing/index.js',
    'node_modules/@scope/thing/node_modules/yaml/index.js',
    'node_modules/other/node_modules/yaml/index.js',
  ]
  const found = bundledPackages(inputs, lock)
  expect(found.map(({ name, version, license }) => [name, version, license])).toEqual([
    ['@scope/thing', '1.0.0', undefined],
    ['yaml', '1.0.0', 'ISC'],
    ['yaml', '2.0.0', 'ISC'],
  ])
})

test('what the lock file does not know is a mistake', () => {
  expect(() => bundledPackages(['node_modules/stray/index.js'], lock)).toThrow(
    'node_modules/stray went into the bundles',
  )
})
