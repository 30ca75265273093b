import { join } from 'node:path'
import { routerAs, type Station } from './stations.ts'
import type { FromWitness, ToWitness } from './witness-process.ts'

/** A router that tells when it was told. */
export interface Witness {
  /** The moment (`machineMs`) at which the prefix is withdrawn; one at a time, asked before that is caused. */
  when(prefix: string): Promise<number>
  stop(): void
}

const giveUpAfterMs = 180_000

export async function startWitness(host: Station): Promise<Witness> {
  const program = join(import.meta.dirname, 'witness-process.ts')
  const child = host.spawn([process.execPath, program, host.ipv4, String(routerAs)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const next = (what: string): Promise<FromWitness> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${what}: the witness has not seen it within ${giveUpAfterMs / 1000} s`)),
        giveUpAfterMs,
      )
      child.once('message', (message: FromWitness) => {
        clearTimeout(late)
        resolve(message)
      })
    })
  await next('a witness that listens')
  return {
    async when(prefix) {
      const seen = next(`${prefix} withdrawn`)
      child.send({ prefix } satisfies ToWitness)
      return (await seen).atMs ?? Number.NaN
    },
    stop: () => void child.kill('SIGKILL'),
  }
}
