import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { binary } from '../control-plane/binaries.ts'

/** The folder of Berth's chart. */
export const chart = join(import.meta.dirname, '../../charts/berth')

/** Where something hangs, what it is should be told, and not that the test was too long. */
const patienceMs = 80_000

/** The real helm, with folders of its own, so that what stands in a home directory changes nothing. */
export interface Helm extends AsyncDisposable {
  /** What helm printed; throws what it complained about. */
  (...args: readonly string[]): Promise<string>
}

/** `kubeconfig` undefined: it reaches no cluster. The first time on a machine helm is built, which takes minutes. */
export async function openHelm(kubeconfig?: string): Promise<Helm> {
  const path = await binary('helm', { progress: line => process.stderr.write(`${line}\n`) })
  const home = await mkdtemp(join(tmpdir(), 'berth-helm-'))
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    HELM_CACHE_HOME: join(home, 'cache'),
    HELM_CONFIG_HOME: join(home, 'config'),
    HELM_DATA_HOME: join(home, 'data'),
    KUBECONFIG: kubeconfig ?? join(home, 'none'),
  }
  const run = async (...args: readonly string[]): Promise<string> => {
    try {
      const { stdout } = await promisify(execFile)(path, args, {
        env,
        maxBuffer: 64 * 1024 * 1024,
        timeout: patienceMs,
      })
      return stdout
    } catch (error) {
      const {
        stderr = '',
        stdout = '',
        killed = false,
      } = error as { stderr?: string; stdout?: string; killed?: boolean }
      const late = killed ? `no end within ${patienceMs / 1000} s; ` : ''
      throw new Error(`helm ${args.join(' ')}: ${late}${stderr || stdout || String(error)}`, { cause: error })
    }
  }
  return Object.assign(run, { [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }) })
}
