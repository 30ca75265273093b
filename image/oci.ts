/**
 * An OCI image as one archive: the image layout (oci-layout, index.json, blobs/ by digest), and beside it the manifest.json
 * by which Docker before version 25 finds the same blobs. `ctr images import`, `docker load`, `podman load` and `skopeo
 * copy oci-archive:…` all read it.
 *
 * Bytes in, bytes out, and of the same image always the same bytes, so that whoever builds it again can compare digests.
 * Supported: image-spec 1.1 (image layout, index, manifest, configuration, gzipped layers).
 */

import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type TarEntry, writeTar } from './tar.ts'

export type Architecture = 'amd64' | 'arm64'

/** How its programs are started, unless a pod says otherwise. */
export interface RuntimeConfig {
  readonly User: string
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly WorkingDir: string
  readonly Labels: Readonly<Record<string, string>>
}

export interface Image {
  /** `repository:tag`, by which it is found once it is imported. */
  readonly name: string
  readonly architecture: Architecture
  readonly config: RuntimeConfig
  /** The lowest first. What seldom changes belongs there: nodes that have it do not fetch it again. */
  readonly layers: readonly Layer[]
}

export interface Layer {
  /** For whoever looks at its history. */
  readonly comment: string
  readonly entries: readonly TarEntry[]
}

/** An image as it is stored. */
export interface WrittenImage {
  readonly archive: Uint8Array
  /** Of the manifest: what `image.digest` of the chart takes. */
  readonly digest: string
  /** What a node fetches, and what it then keeps on its disk. */
  readonly compressedBytes: number
  readonly uncompressedBytes: number
}

/** The highest level takes three times as long for a file a third of a percent smaller. */
const gzipLevel = 6
const epoch = '1970-01-01T00:00:00Z'
const mediaType = (kind: string): string => `application/vnd.oci.image.${kind}`

export function writeImage({ name, architecture, config, layers }: Image): WrittenImage {
  const blobs = new Map<string, Uint8Array>()
  const store = (type: string, content: Uint8Array) => {
    const digest = digestOf(content)
    blobs.set(digest, content)
    return { mediaType: mediaType(type), digest, size: content.length }
  }
  const tars = layers.map(layer => writeTar(layer.entries))
  const descriptors = tars.map(tar => store('layer.v1.tar+gzip', gzipSync(tar, { level: gzipLevel })))
  const configDescriptor = store(
    'config.v1+json',
    json({
      created: epoch,
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
      history: layers.map(({ comment }) => ({ created: epoch, created_by: comment })),
    }),
  )
  const manifest = store(
    'manifest.v1+json',
    json({
      schemaVersion: 2,
      mediaType: mediaType('manifest.v1+json'),
      config: configDescriptor,
      layers: descriptors,
    }),
  )
  const index = {
    schemaVersion: 2,
    mediaType: mediaType('index.v1+json'),
    manifests: [
      {
        ...manifest,
        platform: { architecture, os: 'linux' },
        annotations: {
          'io.containerd.image.name': name,
          'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
        },
      },
    ],
  }
  const pathOf = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`
  const forDocker = [
    {
      Config: pathOf(configDescriptor.digest),
      RepoTags: [name],
      Layers: descriptors.map(({ digest }) => pathOf(digest)),
    },
  ]
  const file = (path: string, content: Uint8Array): TarEntry => ({ kind: 'file', path, content, executable: false })
  return {
    archive: writeTar([
      file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
      file('index.json', json(index)),
      file('manifest.json', json(forDocker)),
      ...Array.from(blobs, ([digest, content]) => file(pathOf(digest), content)),
    ]),
    digest: manifest.digest,
    compressedBytes: descriptors.reduce((sum, { size }) => sum + size, 0),
    uncompressedBytes: tars.reduce((sum, tar) => sum + tar.length, 0),
  }
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
