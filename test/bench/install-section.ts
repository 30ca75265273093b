import { openHelm } from '../charts/helm.ts'
import {
  addressesOfWeb,
  deployWeb,
  exposeWeb,
  firstAnswer,
  installBerth,
  uninstallBerth,
} from '../real-cluster/admin.ts'
import { startCluster, whyNoCluster } from '../real-cluster/cluster.ts'
import { buildArchive } from '../real-cluster/image.ts'
import { number, table } from './report.ts'
import { median } from './statistics.ts'

/** How long it takes from the first command to a client that is answered, on real nodes. */
export async function installSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const { quick, progress } = options
  const heading = '## Install: from the first command to a client that is answered'
  const obstacle = await whyNoCluster(progress)
  if (obstacle !== undefined) return `${heading}\n\nNot measured: ${obstacle}.\n`
  const image = await buildArchive(progress)
  const readyMs = await took(async () => await startCluster({ nodes: 3, images: [image], progress }))
  await using cluster = readyMs.result
  await using helm = await openHelm(await cluster.controlPlane.kubeconfig())
  const webMs = (await took(() => deployWeb(cluster))).ms

  const installs: number[] = []
  const addresses: number[] = []
  const answers: number[] = []
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    progress(`install ${round + 1}`)
    installs.push((await took(() => installBerth(cluster, helm))).ms)
    const exposedMs = Date.now()
    await exposeWeb(cluster)
    const [address = ''] = await addressesOfWeb(cluster, 1)
    addresses.push(Date.now() - exposedMs)
    answers.push((await firstAnswer(cluster, address)) - exposedMs)
    await cluster.controlPlane.kubectl(['delete', 'service', 'web'])
    await uninstallBerth(helm)
    // A new controller would wait until the Lease of the one before is over, which is not part of a first install.
    await cluster.controlPlane.kubectl(['delete', 'leases', '--all', '-n', 'berth-system'])
  }
  const rows = [
    ['helm upgrade --install --wait: controller and speakers Ready', median(installs)],
    ['kubectl expose: the Service has its address', median(addresses)],
    ['kubectl expose: a client on the segment is answered', median(answers)],
    ['for comparison: a Deployment of three plain web servers Ready', webMs],
  ] as const
  return `${heading}

Three real nodes (kubelet, containerd, kube-proxy) on one machine, which have the image already; they were Ready ${number(readyMs.ms / 1000, 1)} s after
the start of the control plane. Medians of ${installs.length}, each after an uninstall and without the Leases that it
leaves; kubectl's own start is in it.

${table(
  ['from the command until', 'time'],
  rows.map(([what, ms]) => [what, `${number(ms / 1000, 2)} s`]),
)}
`
}

async function took<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const startedMs = performance.now()
  const result = await run()
  return { result, ms: performance.now() - startedMs }
}
