import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Image, writeImage } from './oci.ts'
import { writeTar } from './tar.ts'

const text = (path: string, content: string) =>
  ({ kind: 'file', path, content: Buffer.from(content), executable: false }) as const
const layers = [
  { comment: 'below', entries: [text('etc/passwd', 'root')] },
  { comment: 'above', entries: [text('app/program.js', 'run()')] },
]
const image: Image = {
  name: 'registry.example:5000/berth:1.2',
  architecture: 'arm64',
  config: {
    User: '65532:65532',
    Env: ['PATH=/usr/bin'],
    Entrypoint: ['node'],
    Cmd: ['--help'],
    WorkingDir: '/app',
    Labels: { title: 'Berth' },
  },
  layers,
}

/** The files of an archive, read back without the code that wrote them. */
function filesOf(tar: Uint8Array): ReadonlyMap<string, Buffer> {
  const bytes = Buffer.from(tar)
  const files = new Map<string, Buffer>()
  for (let at = 0; bytes[at] !== 0; ) {
    const name = bytes.toString('utf8', at, bytes.indexOf(0, at))
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8)
    if (!name.endsWith('/')) files.set(name, bytes.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

test('everything is found from index.json, by digests and sizes that are right', () => {
  const written = writeImage(image)
  const files = filesOf(written.archive)
  const json = (path: string) => JSON.parse(files.get(path)?.toString() ?? '')
  const blob = ({ digest, size }: Descriptor): Buffer => {
    const content = files.get(`blobs/${digest.replace(':', '/')}`) ?? Buffer.alloc(0)
    expect(content.length).toBe(size)
    expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(digest)
    return content
  }
  expect(json('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' })
  const [found] = json('index.json').manifests
  expect(found).toMatchObject({
    digest: written.digest,
    platform: { architecture: 'arm64', os: 'linux' },
    annotations: { 'io.containerd.image.name': image.name, 'org.opencontainers.image.ref.name': '1.2' },
  })
  const manifest = JSON.parse(blob(found).toString()) as { config: Descriptor; layers: readonly Descriptor[] }
  const config = JSON.parse(blob(manifest.config).toString())
  expect(config).toMatchObject({ architecture: 'arm64', os: 'linux', config: image.config })
  const tars = manifest.layers.map(layer => gunzipSync(blob(layer)))
  expect(tars).toEqual(layers.map(({ entries }) => Buffer.from(writeTar(entries))))
  // A layer is known by what it holds, whoever has compressed it.
  expect(config.rootfs.diff_ids).toEqual(tars.map(tar => `sha256:${createHash('sha256').update(tar).digest('hex')}`))
  expect(written.compressedBytes).toBe(manifest.layers.reduce((sum, { size }) => sum + size, 0))
  expect(written.uncompressedBytes).toBe(tars.reduce((sum, tar) => sum + tar.length, 0))

  const [forDocker] = json('manifest.json')
  expect(forDocker.RepoTags).toEqual([image.name])
  const blobs = [...files.keys()].filter(name => name.startsWith('blobs/'))
  expect(blobs).toHaveLength(4)
  for (const path of [forDocker.Config, ...forDocker.Layers]) expect(blobs).toContain(path)
})

test('of the same image the same bytes, and of another a digest of its own', () => {
  expect(Buffer.compare(writeImage(image).archive, writeImage(image).archive)).toBe(0)
  const other = { ...image, config: { ...image.config, User: '0:0' } }
  expect(writeImage(other).digest).not.toBe(writeImage(image).digest)
})
