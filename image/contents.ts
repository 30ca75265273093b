/**
 * What is in the image and where: the constants that the build, the Dockerfile, the list of ingredients and the chart have
 * in common (contents.test.ts holds them together).
 */

import type { DebianPin } from './debian.ts'
import type { Architecture, RuntimeConfig } from './oci.ts'

/** Nobody: the user of the controller. The chart runs the speaker as root without root's capabilities. */
export const user = { name: 'berth', id: 65_532 }

/** On the PATH, as the chart expects. */
export const nodePath = 'usr/bin/node'

/** Where the bundles lie. */
export const appFolder = 'app'

/** Without a command it says what it is. Pods name one of the programs in /app. */
export const runtimeConfig: RuntimeConfig = {
  User: `${user.id}:${user.id}`,
  Env: ['PATH=/usr/bin'],
  Entrypoint: ['node'],
  Cmd: ['/app/controller.js', '--help'],
  WorkingDir: `/${appFolder}`,
  Labels: {
    'org.opencontainers.image.title': 'Berth',
    'org.opencontainers.image.description': 'Load balancer for bare-metal Kubernetes: its controller and its speaker',
    'org.opencontainers.image.licenses': 'Apache-2.0',
  },
}

/** The little of /etc that the C library asks for. */
export const configurationFiles: Readonly<Record<string, string>> = {
  'etc/passwd': `root:x:0:0:root:/:/nonexistent\n${user.name}:x:${user.id}:${user.id}:${user.name}:/:/nonexistent\n`,
  'etc/group': `root:x:0:\n${user.name}:x:${user.id}:\n`,
  'etc/nsswitch.conf': 'hosts: files dns\n',
}

/** A processor, as it is called by OCI and Debian, by npm and Node, and by the C compiler. */
export interface Target {
  readonly architecture: Architecture
  readonly node: 'x64' | 'arm64'
  readonly triplet: string
  /** Where each program says that its loader is. */
  readonly loader: string
  readonly libraryPackages: readonly DebianPin[]
}

/** The processors, each with Debian 12's packages of the C library and of what Node needs of GCC's. */
export const targets: Readonly<Record<Architecture, Target>> = {
  amd64: {
    architecture: 'amd64',
    node: 'x64',
    triplet: 'x86_64-linux-gnu',
    loader: 'lib64/ld-linux-x86-64.so.2',
    libraryPackages: [
      pin('gcc-12-base', '12.2.0-14+deb12u1', '1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619'),
      pin('libc6', '2.36-9+deb12u14', 'ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf'),
      pin('libgcc-s1', '12.2.0-14+deb12u1', '3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7'),
      pin('libstdc++6', '12.2.0-14+deb12u1', '5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d'),
    ],
  },
  arm64: {
    architecture: 'arm64',
    node: 'arm64',
    triplet: 'aarch64-linux-gnu',
    loader: 'lib/ld-linux-aarch64.so.1',
    libraryPackages: [
      pin('gcc-12-base', '12.2.0-14+deb12u1', '674cf6cba6d432bd200c45fe866c1652c7a53523cc2e7a613e05bc4abf7b5440'),
      pin('libc6', '2.36-9+deb12u14', '01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4'),
      pin('libgcc-s1', '12.2.0-14+deb12u1', '576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3'),
      pin('libstdc++6', '12.2.0-14+deb12u1', '26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2'),
    ],
  },
}

/** Debian's C compiler for arm64 that runs on amd64, as much of it as the addon needs; GCC's own libraries are the machine's. */
export const crossCompiler: readonly DebianPin[] = [
  pin('binutils-aarch64-linux-gnu', '2.40-2', '3d6f64a7a4ed6d73719f8fa2e85fd896f58ff7f211a6683942ba93de690aaa66'),
  pin(
    'cpp-12-aarch64-linux-gnu',
    '12.2.0-14cross1',
    '5921df4ad56e34e6257a1caf862474845aab6548ba7ae7852e8cdd7cb622394e',
  ),
  pin(
    'gcc-12-aarch64-linux-gnu',
    '12.2.0-14cross1',
    '43747bbcd46a4062e66e855090b8ed9c2e06a93ae5a69fb304beebbc8c36d11f',
  ),
  pin('libc6-arm64-cross', '2.36-8cross1', '91936cbbee75771c360ed16513f6e734a25ca5517fe7c3e13dfd7835d7553186'),
  pin('libc6-dev-arm64-cross', '2.36-8cross1', '5e4cf6abf0e89e89c4b3006bb8b7dc47aa831df25d94df9134929b8b968cacb4'),
  pin(
    'libgcc-12-dev-arm64-cross',
    '12.2.0-14cross1',
    'ff1324e262bae2c3aad685c2ed52bd531ab0a2a337a0fe35c3b720947d55b2ba',
  ),
  pin('libgcc-s1-arm64-cross', '12.2.0-14cross1', 'af1e686fc6a416228222e7bfb68317dd2fa2685236301ae29141fc6108a66cac'),
  pin(
    'linux-libc-dev-arm64-cross',
    '6.1.4-1cross1',
    '66457f015d16b7d372db6591cff38db0da928362ff2ea1fa75491e28f6904d81',
  ),
]

/** The shared libraries that Node and the addon name, all in the folder where the loader looks first. */
export const libraries = [
  'libc.so.6',
  'libdl.so.2',
  'libm.so.6',
  'libpthread.so.0',
  'libgcc_s.so.1',
  'libstdc++.so.6',
] as const

/** Where a library is in the image. */
export function libraryPath({ triplet }: Target, library: string): string {
  return `lib/${triplet}/${library}`
}

/** Licences of the libraries; GCC's stands once, in a package that holds nothing else. */
export const libraryLicences = ['usr/share/doc/libc6/copyright', 'usr/share/doc/gcc-12-base/copyright'] as const

function pin(name: string, version: string, sha256: string): DebianPin {
  return { name, version, sha256 }
}
