import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { encodeMessage } from '../../speaker/bgp/message.ts'
import type { FromFlooder, ToFlooder } from './flooder-thread.ts'
import { politeOpen } from './hostile-peer.ts'

/** A router that says the same without end, in a thread of its own: in Berth's it would have to wait for Berth. */
export interface Flooder extends AsyncDisposable {
  readonly port: number
  /** Begins to say these octets, over and over. */
  flood(block: Uint8Array): void
  /** Ends after a whole block. */
  stop(): Promise<void>
}

export async function startFlooder(): Promise<Flooder> {
  const worker = new Worker(join(import.meta.dirname, 'flooder-thread.ts'))
  const post = (message: ToFlooder): void => worker.postMessage(message)
  const context = { fourOctetAs: true }
  const listening = once(worker, 'message')
  post({
    kind: 'listen',
    open: encodeMessage(politeOpen, context),
    keepalive: encodeMessage({ kind: 'keepalive' }, context),
  })
  const [first] = (await listening) as [FromFlooder]
  if (first.kind !== 'listening') throw new Error('the flooder does not listen')
  return {
    port: first.port,
    flood: block => post({ kind: 'flood', block }),
    async stop() {
      const stopped = once(worker, 'message')
      post({ kind: 'stop' })
      await stopped
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}
