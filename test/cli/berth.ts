import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** What kubectl-berth said, and how it ended. */
export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const main = join(import.meta.dirname, '../../cli/main.ts')

/** Runs kubectl-berth from source, with this kubeconfig and on its standard input this text. */
export async function runBerth(kubeconfig: string, args: readonly string[], input = ''): Promise<Said> {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, KUBECONFIG: kubeconfig } })
  // A command that does not read it closes it.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: child.exitCode, out, err }
}
