/** Gathers what an image holds from where it comes: the sources, npm and Debian. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from '../build.ts'
import { buildAddon, buildRawsock } from '../speaker/rawsock/build.ts'
import { addonFileNameFor } from '../speaker/rawsock/file-name.ts'
import {
  appFolder,
  configurationFiles,
  crossCompiler,
  libraries,
  libraryLicences,
  libraryPath,
  nodePath,
  runtimeConfig,
  type Target,
} from './contents.ts'
import { unpackDebian } from './debian.ts'
import { type BundledPackage, bundledPackages, type LockFile } from './ingredients.ts'
import { nodeFolder } from './node-binary.ts'
import type { Image } from './oci.ts'
import type { Ingredients } from './sbom.ts'
import type { TarEntry } from './tar.ts'

const root = join(import.meta.dirname, '..')

export interface GatherOptions {
  readonly target: Target
  readonly say: (line: string) => void
  /** What the programs say that they are; the project's where nothing is said. */
  readonly version?: string
}

/** All that an image is made of. */
export interface Gathered extends Pick<Image, 'architecture' | 'config' | 'layers'> {
  readonly ingredients: Ingredients
  /** Whether everything is of the versions that are pinned, so that another machine gets the same. */
  readonly isPinned: boolean
}

/** Gathers the image for a processor. */
export async function gatherImage({ target, say, version: given }: GatherOptions): Promise<Gathered> {
  const { architecture } = target
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as LockFile
  const debian = await unpackDebian('libraries', target.libraryPackages, architecture, say)
  const node = await nodeFolder(target, lock, say)
  const version = given ?? lock.version
  const { entries, bundled } = await programs(target, lock, version, say)
  return {
    architecture,
    config: { ...runtimeConfig, Labels: { ...runtimeConfig.Labels, 'org.opencontainers.image.version': version } },
    layers: [
      { comment: 'C library and Node', entries: await foundation(target, debian.folder, node) },
      { comment: `Berth ${version}`, entries },
    ],
    ingredients: {
      architecture,
      version,
      nodeVersion: lock.packages[`node_modules/node-linux-${target.node}`]?.version ?? '',
      bundled,
      debian: debian.packages,
    },
    isPinned: debian.isPinned,
  }
}

/** What every version of Berth has in common. */
async function foundation(target: Target, debian: string, node: string): Promise<readonly TarEntry[]> {
  const found = await Promise.all(libraries.map(library => findLibrary(debian, target, library)))
  return [
    ...Object.entries(configurationFiles).map(([path, text]) => file(path, Buffer.from(text))),
    file(
      target.loader,
      await readFile(join(debian, `lib/${target.triplet}`, target.loader.split('/').at(-1) ?? '')),
      true,
    ),
    ...libraries.map((library, index) => file(libraryPath(target, library), found[index] ?? new Uint8Array())),
    ...(await Promise.all(libraryLicences.map(async path => file(path, await readFile(join(debian, path)))))),
    file(nodePath, await readFile(join(node, 'bin/node')), true),
    file('usr/share/doc/node/LICENSE', await readFile(join(node, 'LICENSE'))),
  ]
}

/** Debian has some of them in /lib and some in /usr/lib. */
async function findLibrary(folder: string, { triplet }: Target, library: string): Promise<Uint8Array> {
  return await readFile(join(folder, 'lib', triplet, library)).catch(() =>
    readFile(join(folder, 'usr/lib', triplet, library)),
  )
}

/** The bundles and the addon, their licences, and which packages the bundler took. */
async function programs(target: Target, lock: LockFile, version: string, say: GatherOptions['say']) {
  say('bundling the programs')
  const folder = await mkdtemp(join(tmpdir(), 'berth-image-'))
  try {
    const { inputs } = await bundle(folder, version)
    const bundled = bundledPackages(Object.keys(inputs), lock)
    const names = await readdir(folder)
    const bundles = names.map(async name => file(`${appFolder}/${name}`, await readFile(join(folder, name))))
    const entries = [
      ...(await Promise.all(bundles)),
      file(`${appFolder}/${addonFileNameFor(target.node, 'glibc')}`, await readFile(await addonFor(target, say))),
      file('usr/share/doc/berth/LICENSE', await readFile(join(root, 'LICENSE'))),
      file('usr/share/doc/berth/bundled-packages.txt', Buffer.from(await licencesOf(bundled))),
    ]
    return { entries, bundled }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What the authors of the bundled packages want to go with them. */
async function licencesOf(bundled: readonly BundledPackage[]): Promise<string> {
  const texts = bundled.map(async ({ name, version, license, path }) => {
    const files = (await readdir(join(root, path)))
      .filter(file => /^(licen[cs]e|notice|copying)/i.test(file))
      .toSorted()
    const contents = await Promise.all(files.map(file => readFile(join(root, path, file), 'utf8')))
    return [`${name} ${version} (${license ?? 'licence not declared'})`, ...contents].join('\n\n')
  })
  return (await Promise.all(texts)).join(`\n\n${'-'.repeat(80)}\n\n`)
}

/** The addon for the target's processor: by this machine's compiler, or by Debian's for the other one. */
async function addonFor(target: Target, say: GatherOptions['say']): Promise<string> {
  if (target.node === process.arch) return await buildRawsock()
  if (process.arch !== 'x64' || target.architecture !== 'arm64') {
    throw new Error(
      `an image for ${target.architecture} cannot be built on ${process.arch}: its addon is C, and the compiler that is ` +
        'fetched runs on x64 and compiles for arm64. Build it on a machine of its own kind.',
    )
  }
  const { folder } = await unpackDebian('cross-compiler', crossCompiler, 'amd64', say)
  const compiler = join(folder, 'usr/bin/aarch64-linux-gnu-gcc-12')
  const command = ['env', `LD_LIBRARY_PATH=${folder}/usr/lib/x86_64-linux-gnu`, compiler, `--sysroot=${folder}`]
  return await buildAddon(join(root, 'speaker/rawsock/build', addonFileNameFor(target.node, 'glibc')), command)
}

function file(path: string, content: Uint8Array, executable = false): TarEntry {
  return { kind: 'file', path, content, executable }
}
