/**
 * The list of what is in an image (SBOM), in SPDX 2.3 as JSON, by which scanners tell what a newly found flaw concerns:
 * Berth, the npm packages in its bundles, Node, and Debian's packages of the libraries. Of the same ingredients always the
 * same text.
 */

import { createHash } from 'node:crypto'
import type { DebianPin } from './debian.ts'
import type { BundledPackage } from './ingredients.ts'
import type { Architecture } from './oci.ts'

export interface Ingredients {
  readonly architecture: Architecture
  /** Of Berth. */
  readonly version: string
  readonly nodeVersion: string
  readonly bundled: readonly BundledPackage[]
  readonly debian: readonly DebianPin[]
}

interface SpdxPackage {
  readonly SPDXID: string
  readonly name: string
  readonly versionInfo: string
  readonly downloadLocation: string
  readonly filesAnalyzed: false
  readonly licenseConcluded: string
  readonly licenseDeclared: string
  readonly copyrightText: 'NOASSERTION'
  readonly checksums?: readonly { readonly algorithm: string; readonly checksumValue: string }[]
  readonly externalRefs: readonly object[]
}

/** Debian says it in prose; of what is copied out of these packages this is the sum. */
const debianLicences: Readonly<Record<string, string>> = {
  libc6: 'LGPL-2.1-or-later',
  'gcc-12-base': 'GPL-3.0-or-later',
  'libgcc-s1': 'GPL-3.0-or-later WITH GCC-exception-3.1',
  'libstdc++6': 'GPL-3.0-or-later WITH GCC-exception-3.1',
}

/** `createdAt`: SPDX wants a time; the build gives the one that it was told, so that it stays reproducible. */
export function writeSbom(ingredients: Ingredients, createdAt: Date): string {
  const { architecture, version, nodeVersion, bundled, debian } = ingredients
  const berth = onePackage('berth', version, `pkg:oci/berth?arch=${architecture}&tag=${version}`, 'Apache-2.0')
  const contained = [
    // Its own ingredients (V8, OpenSSL, …) stand in its licence file, which is in the image.
    onePackage('node', nodeVersion, `pkg:generic/node@${nodeVersion}?arch=${architecture}`, 'MIT'),
    ...bundled.map(({ name, version, license, integrity }) => ({
      ...onePackage(name, version, `pkg:npm/${name.replace('@', '%40')}@${version}`, license),
      ...checksum(integrity),
    })),
    ...debian.map(({ name, version, sha256 }) => ({
      ...onePackage(
        name,
        version,
        `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`,
        debianLicences[name],
      ),
      checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    })),
  ]
  const packages = [berth, ...contained]
  const sum = createHash('sha256').update(JSON.stringify(packages)).digest('hex')
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `berth-${version}-${architecture}`,
    documentNamespace: `https://berth.dev/spdx/berth-${version}-${architecture}-${sum}`,
    creationInfo: { created: createdAt.toISOString().replace(/\.\d+Z$/, 'Z'), creators: ['Tool: berth-image'] },
    documentDescribes: [berth.SPDXID],
    packages,
    relationships: [
      relationship('SPDXRef-DOCUMENT', 'DESCRIBES', berth.SPDXID),
      ...contained.map(({ SPDXID }) => relationship(berth.SPDXID, 'CONTAINS', SPDXID)),
    ],
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function onePackage(name: string, version: string, purl: string, license: string | undefined): SpdxPackage {
  return {
    SPDXID: `SPDXRef-${`${name}-${version}`.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  }
}

/** npm writes `sha512-` and base64, SPDX wants hexadecimal digits. */
function checksum(integrity: string | undefined): Pick<SpdxPackage, 'checksums'> {
  const [, base64] = /^sha512-(\S+)$/.exec(integrity ?? '') ?? []
  if (!base64) return {}
  return { checksums: [{ algorithm: 'SHA512', checksumValue: Buffer.from(base64, 'base64').toString('hex') }] }
}

function relationship(from: string, kind: string, to: string): object {
  return { spdxElementId: from, relationshipType: kind, relatedSpdxElement: to }
}
