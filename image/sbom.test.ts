import { expect, test } from 'vitest'
import { type Ingredients, writeSbom } from './sbom.ts'

const ingredients: Ingredients = {
  architecture: 'amd64',
  version: '0.1.0',
  nodeVersion: '24.1.0',
  bundled: [
    {
      name: '@scope/thing',
      version: '1.0.0',
      license: 'MIT',
      integrity: 'sha512-/wA=',
      path: 'node_modules/@scope/thing',
    },
    { name: 'silent', version: '2.0.0', license: undefined, integrity: undefined, path: 'node_modules/silent' },
  ],
  debian: [{ name: 'libstdc++6', version: '12.2.0-14+deb12u1', sha256: 'ab' }],
}
const when = new Date('2026-01-02T03:04:05.678Z')

interface Package {
  readonly SPDXID: string
  readonly name: string
  readonly licenseDeclared: string
  readonly checksums?: readonly object[]
  readonly externalRefs: readonly [{ readonly referenceLocator: string }]
}
const document = JSON.parse(writeSbom(ingredients, when)) as {
  readonly spdxVersion: string
  readonly SPDXID: string
  readonly documentNamespace: string
  readonly creationInfo: { readonly created: string }
  readonly packages: readonly Package[]
  readonly relationships: readonly { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[]
}
const find = (name: string): Package | undefined => document.packages.find(one => one.name === name)

test('it is SPDX 2.3, of the time that it was given', () => {
  expect(document.spdxVersion).toBe('SPDX-2.3')
  expect(document.creationInfo.created).toBe('2026-01-02T03:04:05Z')
})

test('Berth contains every ingredient, and each has an identifier of its own', () => {
  const names = document.packages.map(({ name }) => name)
  expect(names).toEqual(['berth', 'node', '@scope/thing', 'silent', 'libstdc++6'])
  const identifiers = document.packages.map(({ SPDXID }) => SPDXID)
  expect(new Set(identifiers).size).toBe(identifiers.length)
  for (const identifier of identifiers) expect(identifier).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/)
  const [berth, ...contained] = identifiers
  const relations = document.relationships.map(one => Object.values(one).join(' '))
  expect(relations).toEqual([
    `SPDXRef-DOCUMENT DESCRIBES ${berth}`,
    ...contained.map(identifier => `${berth} CONTAINS ${identifier}`),
  ])
})

test('a scanner finds each by its package URL, its licence and its sum', () => {
  expect(find('@scope/thing')).toMatchObject({
    licenseDeclared: 'MIT',
    checksums: [{ algorithm: 'SHA512', checksumValue: 'ff00' }],
    externalRefs: [{ referenceLocator: 'pkg:npm/%40scope/thing@1.0.0' }],
  })
  expect(find('silent')).toMatchObject({ licenseDeclared: 'NOASSERTION' })
  expect(find('silent')).not.toHaveProperty('checksums')
  expect(find('libstdc++6')).toMatchObject({
    licenseDeclared: 'GPL-3.0-or-later WITH GCC-exception-3.1',
    checksums: [{ algorithm: 'SHA256', checksumValue: 'ab' }],
    externalRefs: [
      { referenceLocator: 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12' },
    ],
  })
})

test('of the same ingredients the same text, and of others another name', () => {
  expect(writeSbom(ingredients, when)).toBe(writeSbom(ingredients, when))
  const other = JSON.parse(writeSbom({ ...ingredients, nodeVersion: '24.2.0' }, when)) as { documentNamespace: string }
  expect(other.documentNamespace).not.toBe(document.documentNamespace)
})
