import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { bundleCommand } from '../../build.ts'
import type { Said } from '../cli/berth.ts'
import { binary } from '../control-plane/binaries.ts'

/** `kubectl berth`: the one file that is released, where kubectl finds it. */
export interface BerthPlugin extends AsyncDisposable {
  (...args: readonly string[]): Promise<Said>
}

/** Builds it and puts it on the PATH of a kubectl with this kubeconfig. */
export async function installPlugin(kubeconfig: string): Promise<BerthPlugin> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-plugin-'))
  await bundleCommand(folder)
  await rename(join(folder, 'kubectl-berth.cjs'), join(folder, 'kubectl-berth'))
  const kubectl = await binary('kubectl')
  const path = [folder, dirname(process.execPath), process.env['PATH']].join(delimiter)
  const env = { ...process.env, PATH: path, KUBECONFIG: kubeconfig }
  const run = async (...args: readonly string[]): Promise<Said> => {
    try {
      const { stdout: out, stderr: err } = await promisify(execFile)(kubectl, ['berth', ...args], { env })
      return { code: 0, out, err }
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
      if (typeof code !== 'number') throw error
      return { code, out: stdout ?? '', err: stderr ?? '' }
    }
  }
  return Object.assign(run, { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) })
}
