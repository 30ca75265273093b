import { execFile } from 'node:child_process'
import { mkdir, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { addonFileName } from './file-name.ts'

const source = join(import.meta.dirname, 'rawsock.c')
const headers = join(import.meta.dirname, '../../node_modules/node-api-headers/include')
const flags = (
  '-std=c11 -O2 -fPIC -shared -fvisibility=hidden -fstack-protector-strong ' +
  '-Wall -Wextra -Werror -Wl,-z,relro,-z,now -s'
).split(' ')

/** Compiles the addon for this machine unless a build newer than its sources is there, and says where it is. */
export async function buildRawsock(): Promise<string> {
  return await buildAddon(join(import.meta.dirname, 'build', addonFileName()), [process.env['CC'] ?? 'cc'])
}

/** The same with a compiler of one's choice, for whatever machine that one compiles for. */
export async function buildAddon(output: string, compiler: readonly string[]): Promise<string> {
  const newest = Math.max(await modifiedMs(source), await modifiedMs(import.meta.filename))
  if ((await modifiedMs(output)) > newest) return output
  await mkdir(dirname(output), { recursive: true })
  // Compiled aside and renamed: another process may have the old file mapped, or be building too.
  const temporary = `${output}.${process.pid}`
  await compile([...compiler, ...flags, '-I', headers, source, '-o', temporary])
  await rename(temporary, output)
  return output
}

async function compile([compiler = '', ...parameters]: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(compiler, parameters)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error(
        `Berth's socket addon is C and there is no compiler "${compiler}" here. Install one ` +
          '(Debian and Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; Alpine: apk add gcc musl-dev ' +
          'linux-headers) or name one in CC, then run: npm run build:rawsock',
        { cause: error },
      )
    }
    throw error
  }
}

async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch {
    return 0
  }
}

if (import.meta.main) {
  try {
    process.stdout.write(`${await buildRawsock()}\n`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
