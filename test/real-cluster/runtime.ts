import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, type DebianPin, unpackDebian } from '../../image/debian.ts'
import { type Architecture, writeImage } from '../../image/oci.ts'

/** containerd with all that it runs, as Debian 12 has it; runc links to libseccomp2, which is on every Debian. */
const packages: Readonly<Record<Architecture, readonly DebianPin[]>> = {
  amd64: [
    {
      name: 'containerd',
      version: '1.6.20~ds1-1+deb12u3',
      sha256: '8669d264eeb0fcdb4a0b1ba436ab88ec5dafde4a66e1278ec279d830db4c2216',
    },
    {
      name: 'containernetworking-plugins',
      version: '1.1.1+ds1-3+b5',
      sha256: '4cac8143474d1249b19f7b0e80b8d0daaa6dfdaa8bd514bc468d38d4a108099f',
    },
    {
      name: 'runc',
      version: '1.1.5+ds1-1+deb12u1',
      sha256: 'a00351f8c0318de0b424ecf5cd0fdb69880a89f3511cae4f6fff7de3e57881c5',
    },
  ],
  arm64: [],
}

/** The folder in which containerd, ctr, runc and the CNI plugins are, as in the root of a machine. */
export async function containerRuntime(say: (line: string) => void): Promise<string> {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const pins = packages[architecture]
  if (pins.length === 0) throw new Error(`test/real-cluster/runtime.ts pins no container runtime for ${architecture}`)
  return (await unpackDebian('container-runtime', pins, architecture, say)).folder
}

/** What the image is called that holds the namespaces of a pod. */
export const pauseImage = 'localhost/pause:1'

/** Its archive: one static program that waits, and buries what the pod's other processes leave. */
export async function pauseArchive(): Promise<string> {
  const source = join(import.meta.dirname, 'pause.c')
  const sum = createHash('sha256').update(await readFile(source))
  const folder = join(cacheFolder(), `pause-${process.arch}-${sum.digest('hex').slice(0, 12)}`)
  const archive = join(folder, 'pause.tar')
  if (await exists(archive)) return archive
  await mkdir(folder, { recursive: true })
  const program = join(folder, `pause.${process.pid}`)
  const compiler = process.env['CC'] ?? 'cc'
  await promisify(execFile)(compiler, ['-static', '-Os', '-s', '-Wall', '-Wextra', '-Werror', source, '-o', program])
  const content = await readFile(program)
  const { archive: bytes } = writeImage({
    name: pauseImage,
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    config: {
      User: '65535:65535',
      Env: [],
      Entrypoint: ['/pause'],
      Cmd: [],
      WorkingDir: '/',
      Labels: {},
    },
    layers: [{ comment: 'pause', entries: [{ kind: 'file', path: 'pause', content, executable: true }] }],
  })
  const unfinished = `${archive}.${process.pid}`
  await writeFile(unfinished, bytes)
  await rename(unfinished, archive)
  await rm(program)
  return archive
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
