import { once } from 'node:events'
import { join } from 'node:path'
import { kubeletSocket } from '../control-plane/flags.ts'
import type { JoinWay } from '../lab/lab.ts'

/**
 * The API server's way to the kubelets, for logs and port-forward: it is a process out here and they are in namespaces, so it
 * asks a helper on the management network, as it would ask a proxy.
 */
export async function openWayToKubelets({ controlPlane, management }: JoinWay): Promise<void> {
  const script = join(import.meta.dirname, 'kubelet-way-process.ts')
  const helper = management.namespace.spawn([process.execPath, script, join(controlPlane.directory, kubeletSocket)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const failed = once(helper, 'close').then(() => {
    throw new Error('the API server has no way to the kubelets: its helper has ended')
  })
  if (helper.stdout) await Promise.race([once(helper.stdout, 'data'), failed])
  // From here on its end is the lab's.
  failed.catch(() => {})
}
