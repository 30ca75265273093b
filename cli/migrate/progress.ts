import { planService } from '../../controller/plan.ts'
import { isOfClass, shownAddresses } from '../../controller/request.ts'
import { configLists } from '../../crds/resources.ts'
import { fieldOf, identityOf, listOf, textOf } from '../../kube/json.ts'
import type { Service } from '../../kube/service.ts'
import { formatAddress } from '../../net/address.ts'
import { recordKey } from '../../speaker/layer2/record.ts'
import { livenessOf, type Picture, pictureOf } from '../picture.ts'
import { type Lists, snapshotOf } from '../snapshot.ts'
import type { BerthObject, Conversion } from './convert.ts'
import { metallbLabel } from './source.ts'

/*
 * How far a cluster has moved, and what would become of every Service: the converted objects are put where they will be,
 * and the functions that both programs go by say what they would do. Nothing is applied.
 */

/** The cluster as it was read. */
export interface Cluster {
  readonly lists: Lists
  readonly takenAtMs: number
  /** MetalLB's ServiceL2Statuses: who announces what. */
  readonly announcers: readonly unknown[]
  /** Berth's Deployments. */
  readonly deployments: readonly unknown[]
}

/** A Service that would not keep what it has. */
export interface Loss {
  readonly service: string
  readonly addresses: readonly string[]
  readonly because: string
}

/** Where MetalLB announces a Service from, and Berth could. */
export interface Seed {
  readonly service: Service
  readonly node: string
}

/** How far it is, and what is left. */
export interface Progress {
  /** Converted objects by what is in Berth's namespace under their names. */
  readonly objects: {
    readonly missing: readonly BerthObject[]
    readonly same: number
    readonly other: readonly string[]
  }
  /** Services with an address that are MetalLB's now and will be Berth's. */
  readonly services: number
  readonly losses: readonly Loss[]
  /** Those that layer 2 will announce, and of these, those that Berth and MetalLB announce. */
  readonly layer2: { readonly wanted: number; readonly announced: number; readonly byMetalLB: number }
  readonly seeds: readonly Seed[]
  /** Nodes whose speaker of Berth's lives. */
  readonly speakers: readonly string[]
  readonly nodes: readonly string[]
  /** Those with the label by which they are MetalLB's. */
  readonly nodesOfMetalLB: readonly string[]
  readonly sessions: { readonly wanted: number; readonly established: number }
  /** Berth's controller: whether it lives, and whose Services it takes. */
  readonly controller: { readonly alive: boolean; readonly release: string; readonly loadBalancerClass: string }
  /** Services that Berth's controller has taken over. */
  readonly adopted: number
}

/** Where the cluster stands on its way, and what each Service would keep at its end. */
export function progressOf(
  cluster: Cluster,
  conversion: Conversion,
  namespace: string,
  towards: 'berth' | 'metallb' = 'berth',
): Progress {
  const { lists, takenAtMs } = cluster
  const objects = comparedWith(lists, conversion.objects)
  const loadBalancerClass = conversion.installation.controller?.loadBalancerClass ?? ''
  const snapshot = snapshotOf(withObjects(lists, objects.missing), namespace, takenAtMs)
  const picture = pictureOf(snapshot, loadBalancerClass || undefined)
  const own = [...snapshot.services.values()].filter(
    service =>
      service.type === 'LoadBalancer' &&
      isOfClass(service, loadBalancerClass || undefined) &&
      shownAddresses(service).length > 0,
  )
  const byLayer2 = own.filter(service => isOffered(picture, service))
  // MetalLB will judge by its own pools, whatever stands in Berth's by now.
  const judged = (): Picture => {
    const alone = snapshotOf(withObjects(withoutObjects(lists), conversion.objects), namespace, takenAtMs)
    return pictureOf(alone, loadBalancerClass || undefined)
  }
  const judge = towards === 'berth' ? picture : judged()
  const announced = byLayer2.filter(service => snapshot.records.get(recordKey(service))?.published !== undefined)
  return {
    objects,
    services: own.length,
    losses: own.flatMap(service => lossOf(judge, service)),
    layer2: { wanted: byLayer2.length, announced: announced.length, byMetalLB: cluster.announcers.length },
    seeds: seedsOf(picture, byLayer2, cluster.announcers),
    speakers: snapshot.speakers
      .filter(speaker => livenessOf(speaker, takenAtMs) === 'alive')
      .map(({ lease }) => lease.node)
      .sort(),
    nodes: [...snapshot.nodes.keys()].sort(),
    nodesOfMetalLB: [...snapshot.nodes.values()]
      .filter(({ labels }) => labels[metallbLabel] === 'true')
      .map(({ name }) => name),
    sessions: {
      wanted: snapshot.sessions.length,
      established: snapshot.sessions.filter(({ state }) => state === 'Established').length,
    },
    controller: {
      alive:
        snapshot.controllerLease !== undefined &&
        snapshot.controllerLease.holderIdentity !== '' &&
        takenAtMs - Date.parse(snapshot.controllerLease.renewTime) < 30_000,
      ...deploymentOf(cluster.deployments),
    },
    adopted: own.filter(({ conditions }) => conditions.some(({ type }) => type === 'berth.dev/Allocated')).length,
  }
}

function comparedWith(lists: Lists, objects: readonly BerthObject[]): Progress['objects'] {
  const missing: BerthObject[] = []
  const other: string[] = []
  for (const object of objects) {
    const name = object.metadata.name
    const there = listOf(lists[configLists[object.kind]]).find(one => identityOf(one)?.name === name)
    if (there === undefined) missing.push(object)
    else if (!holds(fieldOf(there, 'spec') ?? {}, object.spec)) other.push(`${object.kind} ${name}`)
  }
  return { missing, same: objects.length - missing.length - other.length, other }
}

/** Whether everything wanted stands there as wanted; what the API server has filled in may stand beside it. */
function holds(there: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return there === wanted
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(there) && there.length === wanted.length && wanted.every((one, index) => holds(there[index], one))
    )
  }
  return Object.entries(wanted).every(([field, value]) => holds(fieldOf(there, field), value))
}

function withObjects(lists: Lists, objects: readonly BerthObject[]): Lists {
  const added = Map.groupBy(objects, ({ kind }) => configLists[kind])
  return { ...lists, ...Object.fromEntries(Array.from(added, ([list, more]) => [list, [...lists[list], ...more]])) }
}

function withoutObjects(lists: Lists): Lists {
  return { ...lists, ...Object.fromEntries(Object.values(configLists).map(list => [list, []])) }
}

function isOffered(picture: Picture, service: Service): boolean {
  const view = picture.layer2Of(service)
  return view !== undefined && (view.kind === 'elected' || view.refusal.kind !== 'NoAdvertisement')
}

/** What Berth's controller would do to a Service that it meets with this status. */
function lossOf(picture: Picture, service: Service): readonly Loss[] {
  const grant = picture.ledger.grantOf(service.key)
  const kept = new Set(grant?.addresses.map(formatAddress))
  const lost = shownAddresses(service)
    .map(formatAddress)
    .filter(address => !kept.has(address))
  if (lost.length === 0) return []
  const { ledger, book, namespaces, loadBalancerClass } = picture
  const actions = planService({ service, ledger, book, namespaces, loadBalancerClass }, service.key)
  const because = actions.find(action => action.kind === 'setCondition')?.condition?.message ?? ''
  return [{ service: service.key, addresses: lost, because }]
}

/** The nodes that MetalLB announces from, where Berth's speaker lives and may take each Service. */
function seedsOf(picture: Picture, services: readonly Service[], announcers: readonly unknown[]): readonly Seed[] {
  const nodes = new Map(
    announcers.map(object => {
      const status = fieldOf(object, 'status')
      const key = `${textOf(fieldOf(status, 'serviceNamespace'))}/${textOf(fieldOf(status, 'serviceName'))}`
      return [key, textOf(fieldOf(status, 'node')) ?? '']
    }),
  )
  return services.flatMap(service => {
    const node = nodes.get(service.key)
    const view = picture.layer2Of(service)
    if (!node || view?.kind !== 'elected' || picture.snapshot.records.has(recordKey(service))) return []
    return view.group.candidates.nodes.includes(node) ? [{ service, node }] : []
  })
}

function deploymentOf(deployments: readonly unknown[]): Pick<Progress['controller'], 'release' | 'loadBalancerClass'> {
  const deployment = deployments.find(object => {
    const labels = fieldOf(fieldOf(object, 'metadata'), 'labels')
    return fieldOf(labels, 'app.kubernetes.io/component') === 'controller'
  })
  const pod = fieldOf(fieldOf(fieldOf(deployment, 'spec'), 'template'), 'spec')
  const args = listOf(fieldOf(pod, 'containers')).flatMap(container => listOf(fieldOf(container, 'args')))
  const given = args
    .map(arg => /^--load-balancer-class=(.*)$/.exec(String(arg))?.[1])
    .find(value => value !== undefined)
  const labels = fieldOf(fieldOf(deployment, 'metadata'), 'labels')
  return {
    release: textOf(fieldOf(labels, 'app.kubernetes.io/instance')) ?? 'berth',
    loadBalancerClass: given ?? '',
  }
}
