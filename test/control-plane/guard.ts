import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Sees to it that nothing of a folder's processes, nor the folder, outlives the process that made them, however that
 * one ends. The guard is a shell that reads its standard input; only when its owner is gone, by `release()`, an
 * exception, Ctrl-C or `kill -9`, does the input end.
 */
export interface Guard extends AsyncDisposable {
  /** Puts a process under guard; its working directory must be the guarded folder. */
  adopt(pid: number): void
  /** Ends the processes and removes the folder. */
  release(): Promise<void>
}

/** A pid may belong to somebody else by now, so each is looked at before it is killed; a zombie has no directory. */
const script = `
trap '' INT TERM HUP QUIT
pids=
while read -r pid; do pids="$pids $pid"; done
ours() { [ "$(readlink "/proc/$1/cwd")" = "$directory" ]; }
for pid in $pids; do ours "$pid" && kill -9 "$pid"; done
for pid in $pids; do while ours "$pid"; do sleep 0.02; done; done
rm -rf "$directory"
`

/** `directory` is an absolute path without symbolic links. */
export function startGuard(directory: string): Guard {
  // A session of its own: a terminal's Ctrl-C goes to the owner, which decides what it means.
  const shell = spawn('/bin/sh', ['-c', script], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', directory },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const ended = once(shell, 'exit')
  shell.unref()
  const guard = {
    adopt: (pid: number) => void shell.stdin.write(`${pid}\n`),
    release: async () => {
      shell.ref()
      shell.stdin.end()
      await ended
    },
    [Symbol.asyncDispose]: () => guard.release(),
  }
  return guard
}
