import type { ObjectName, Step } from '../../cli/change.ts'
import { readLists } from '../../cli/read.ts'
import { settledController } from '../../cli/settle.ts'
import { snapshotOf } from '../../cli/snapshot.ts'
import { type Cluster, until } from '../../controller/test-cluster.ts'
import { resourcePath } from '../../crds/resources.ts'
import { isNotFound } from '../../kube/api-error.ts'
import { fieldOf, listOf, numberOf, textOf } from '../../kube/json.ts'
import { berthKind, namespace } from './changes.ts'

/** A cluster in which a real controller runs, for tests that change it and must know when it has seen everything. */
export interface Live {
  /** Applies or removes an object: objects of Berth's are replaced, others patched. */
  take(step: Step): Promise<void>
  /**
   * Waits until the controller has seen all that was done before, has written what it made of it, and has nothing in its
   * queue: an event that is still on its way could make it look at one Service before the others when the pools change next.
   * Returns the address that the Service sentinel/asks then has.
   */
  settle(): Promise<string>
  post(path: string, body: object): Promise<void>
  patch(path: string, body: object): Promise<unknown>
}

const sentinelServices = '/api/v1/namespaces/sentinel/services'
const asking = `${sentinelServices}/asks`

/** Opens it, and makes what `settle` needs: the namespace sentinel, and in it and for it alone Services and pools. */
export async function openLive(cluster: Cluster): Promise<Live> {
  let ticks = 0
  let asked = 0

  async function post(path: string, body: object): Promise<void> {
    await cluster.transport.request({ method: 'POST', path, body })
  }

  function patch(path: string, body: object): Promise<unknown> {
    return cluster.transport.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body })
  }

  function get(path: string): Promise<unknown> {
    return cluster.transport.request({ method: 'GET', path })
  }

  async function take(step: Step): Promise<void> {
    const folder = folderOf(step.name)
    const path = `${folder}/${step.name.name}`
    if (step.kind === 'remove') return cluster.remove(path)
    const body = step.object as { readonly metadata: object; readonly spec?: object }
    try {
      if (!folder.includes('berth.dev')) {
        await patch(path, { metadata: body.metadata, ...(body.spec && { spec: body.spec }) })
        return
      }
      const replace = [{ op: 'replace', path: '/spec', value: body.spec }]
      const contentType = 'application/json-patch+json'
      await cluster.transport.request({ method: 'PATCH', path, contentType, body: replace })
    } catch (error) {
      if (!isNotFound(error)) throw error
      if (body.spec) await post(folder, body)
    }
  }

  /** The Service asks for another address than before; which it is. */
  async function askAnew(): Promise<string> {
    const address = `203.0.113.${4 + (++asked % 4)}`
    await patch(asking, { metadata: { annotations: { 'berth.dev/loadBalancerIPs': address } } })
    return address
  }

  /** Whether a controller that began now would change no address. */
  async function isAtRest(): Promise<boolean> {
    const { lists, takenAtMs } = await readLists(cluster.transport, namespace)
    const { actions } = settledController(snapshotOf(lists, namespace, takenAtMs), undefined)
    return [...actions.values()].flat().every(({ kind }) => kind === 'setCondition' || kind === 'recordEvent')
  }

  /**
   * Of each kind that the controller watches something is changed, the last of all, and the answer awaited; then its own
   * functions find nothing left to do; then a Service goes through its queue once more.
   */
  async function settle(): Promise<string> {
    const tick = ++ticks
    const poolPath = `${resourcePath('IPAddressPool', namespace)}/zz-pool`
    const [pool, address] = await Promise.all([
      patch(poolPath, { metadata: { labels: { tick: String(tick) } }, spec: { avoidBuggyIPs: tick % 2 === 0 } }),
      askAnew(),
      patch('/api/v1/namespaces/sentinel', { metadata: { labels: { tick: String(tick % 2) } } }),
    ])
    const generation = numberOf(fieldOf(fieldOf(pool, 'metadata'), 'generation')) ?? 0
    await until(async () => {
      const [pool, asks, moves] = await Promise.all([get(poolPath), get(asking), get(`${sentinelServices}/ticks`)])
      const observed = numberOf(fieldOf(fieldOf(pool, 'status'), 'observedGeneration')) ?? 0
      const isSeen =
        observed >= generation && ingressOf(asks) === address && ingressOf(moves) === `203.0.113.${8 + (tick % 2)}`
      return isSeen || undefined
    }, `the controller has seen everything up to ${tick}`)
    await until(async () => ((await isAtRest()) ? true : undefined), 'nothing is left to do')
    const again = await askAnew()
    await until(async () => ingressOf(await get(asking)) === again || undefined, 'the queue is worked off')
    return again
  }

  await post('/api/v1/namespaces', { metadata: { name: 'sentinel', labels: { team: 'none' } } })
  const only = (tick: number) => ({ priority: 1, namespaceSelectors: [{ matchLabels: { tick: String(tick) } }] })
  const pools = [
    ['zz-pool', { addresses: ['203.0.113.4/30'], autoAssign: false }],
    ['zz-tick-0', { addresses: ['203.0.113.8/32'], serviceAllocation: only(0) }],
    ['zz-tick-1', { addresses: ['203.0.113.9/32'], serviceAllocation: only(1) }],
  ] as const
  for (const [name, spec] of pools) {
    await post(resourcePath('IPAddressPool', namespace), {
      ...berthKind('IPAddressPool'),
      metadata: { name },
      spec,
    })
  }
  for (const name of ['asks', 'ticks']) {
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] }
    await post(sentinelServices, { metadata: { name }, spec })
  }
  return { take, settle, post, patch }
}

/** The addresses in a Service's status, joined by commas. */
export function ingressOf(service: unknown): string {
  const ingress = listOf(fieldOf(fieldOf(fieldOf(service, 'status'), 'loadBalancer'), 'ingress'))
  return ingress.map(one => textOf(fieldOf(one, 'ip'))).join()
}

function folderOf({ kind, namespace }: ObjectName): string {
  if (kind === 'Namespace') return '/api/v1/namespaces'
  if (kind === 'Node') return '/api/v1/nodes'
  return kind === 'Service' ? `/api/v1/namespaces/${namespace}/services` : resourcePath(kind, namespace)
}
