import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ControlPlane } from '../control-plane/control-plane.ts'

/*
 * Objects in great numbers, put where the API server keeps them: it reads JSON there as well as its own form, and tells its
 * watchers of what has come. Nobody looks at what is put there: it must be what the API server itself would have made of it.
 */

/** An object and the key that the API server has it under, without `/registry/`. */
export interface StoredObject {
  readonly key: string
  readonly object: object
}

/** etcd takes no more in one transaction. */
const atOnce = 128

/** Puts the objects into the control plane's etcd: some thousands a second, where by the API server each is two requests. */
export async function storeObjects({ directory }: ControlPlane, objects: readonly StoredObject[]): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const socketPath = join(directory, 'etcd.sock')
  try {
    for (let index = 0; index < objects.length; index += atOnce) {
      const success = objects.slice(index, index + atOnce).map(({ key, object }) => ({
        requestPut: { key: base64(`/registry/${key}`), value: base64(JSON.stringify(object)) },
      }))
      const asked = request({ socketPath, agent, method: 'POST', path: '/v3/kv/txn' })
      asked.end(JSON.stringify({ success }))
      const [answer] = await once(asked, 'response')
      const said = await text(answer)
      if (answer.statusCode !== 200) throw new Error(`etcd answers ${answer.statusCode}: ${said}`)
    }
  } finally {
    agent.destroy()
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
