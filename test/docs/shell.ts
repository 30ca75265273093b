import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { chart } from '../charts/helm.ts'
import { binary } from '../control-plane/binaries.ts'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import { root } from './pages.ts'

/** A reader's shell: a folder of its own, with the chart in it, and on its PATH the programs that the pages speak of. */
export interface Shell extends AsyncDisposable {
  /** Writes files, by their paths in the folder. */
  write(files: Readonly<Record<string, string>>): Promise<void>
  /** Runs a line as it stands; throws what was complained about where it ends with another code than one of `codes`. */
  run(line: string, codes?: readonly number[]): Promise<string>
}

/** One that has the control plane as its cluster. */
export async function openShell(controlPlane: ControlPlane): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-shell-'))
  const [bin, home] = [join(folder, '.bin'), join(folder, '.home')]
  const kubectl = await binary('kubectl')
  const programs = {
    kubectl: `exec ${kubectl} "$@"`,
    helm: `exec ${await binary('helm')} "$@"`,
    'kubectl-berth': `exec ${process.execPath} ${join(root, 'cli/main.ts')} "$@"`,
    // The same program under its other name.
    kustomize: `shift; exec ${kubectl} kustomize "$@"`,
  }
  await Promise.all([bin, home, join(folder, 'charts')].map(path => mkdir(path, { recursive: true })))
  await symlink(chart, join(folder, 'charts/berth'))
  for (const [name, line] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${line}\n`)
    await chmod(join(bin, name), 0o755)
  }
  const env = {
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    KUBECACHEDIR: join(home, 'kubectl-cache'),
    KUBECONFIG: await controlPlane.kubeconfig(),
  }
  return {
    async write(files) {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
    },
    run: (line, codes = [0]) =>
      new Promise((resolve, reject) => {
        const options = { cwd: folder, env, maxBuffer: 64 * 1024 * 1024 }
        const child = execFile('sh', ['-c', line], options, (_, stdout, stderr) => {
          if (child.exitCode !== null && codes.includes(child.exitCode)) resolve(stdout)
          else reject(new Error(`${line}\nends with ${child.exitCode ?? child.signalCode}: ${stderr || stdout}`))
        })
        child.stdin?.end()
      }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
