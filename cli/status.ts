import { allocate } from '../controller/allocator.ts'
import { allocatedCondition } from '../controller/plan.ts'
import { wordRefusal } from '../controller/refusal.ts'
import { isOfClass, isRefusal, requestOf } from '../controller/request.ts'
import type { Service } from '../kube/service.ts'
import { announcedCondition, conditionFor } from '../speaker/condition.ts'
import { answeringNodes } from '../speaker/layer2/record.ts'
import { isUp, type PeerView, peerViews } from './peers.ts'
import { livenessOf, type Picture } from './picture.ts'
import { type PoolView, poolViews } from './pools.ts'

/** Everything at a glance. */
export interface StatusView {
  readonly namespace: string
  readonly takenAtMs: number
  readonly controller: ControllerView
  readonly speakers: readonly SpeakerView[]
  readonly pools: readonly PoolView[]
  /** Objects of the configuration that are not in use as written. */
  readonly notReady: readonly {
    readonly kind: string
    readonly name: string
    readonly reason: string
    readonly message: string
  }[]
  readonly services: { readonly total: number; readonly assigned: number; readonly announced: number }
  readonly troubled: readonly TroubledService[]
  readonly peers: readonly PeerView[]
}

export interface ControllerView {
  /** Which replica leads; undefined = none does. */
  readonly leader: string | undefined
  readonly renewed: string | undefined
  readonly alive: boolean
}

export interface SpeakerView {
  readonly node: string
  readonly state: 'alive' | 'leaving' | 'gone' | 'missing'
  readonly renewed: string | undefined
  /** Services that it announces at layer 2, also those of which it answers a part of the clients. */
  readonly services: number
  readonly interfaces: readonly string[]
  readonly note: string
}

/** A Service without an address, or with one that nobody announces. */
export interface TroubledService {
  readonly service: string
  readonly what: 'no address' | 'not announced'
  readonly reason: string
  readonly message: string
}

export function statusOf(picture: Picture): StatusView {
  const { snapshot } = picture
  const own = ownServices(picture)
  const troubled = own.flatMap(service => troubleOf(picture, service) ?? [])
  const without = troubled.filter(({ what }) => what === 'no address').length
  return {
    namespace: snapshot.namespace,
    takenAtMs: snapshot.takenAtMs,
    controller: controllerOf(picture),
    speakers: speakersOf(picture),
    pools: poolViews(picture),
    notReady: snapshot.resolved.verdicts.filter(({ ready }) => !ready),
    services: { total: own.length, assigned: own.length - without, announced: own.length - troubled.length },
    troubled,
    peers: peerViews(picture),
  }
}

/** The Services that ask Berth for an address. */
export function ownServices({ snapshot, loadBalancerClass }: Picture): readonly Service[] {
  return [...snapshot.services.values()].filter(
    service => service.type === 'LoadBalancer' && isOfClass(service, loadBalancerClass),
  )
}

/** Whether there is nothing to be done: the exit code. */
export function isWell({ controller, speakers, notReady, troubled, peers }: StatusView): boolean {
  return (
    controller.alive &&
    speakers.length > 0 &&
    speakers.every(({ state }) => state === 'alive') &&
    notReady.length === 0 &&
    troubled.length === 0 &&
    peers.every(isUp)
  )
}

function controllerOf({ snapshot }: Picture): ControllerView {
  const { controllerLease: lease, takenAtMs } = snapshot
  if (!lease || lease.holderIdentity === '') return { leader: undefined, renewed: lease?.renewTime, alive: false }
  const { holderIdentity: leader, renewTime: renewed, leaseDurationSeconds } = lease
  // The API server's time has whole seconds.
  return { leader, renewed, alive: takenAtMs - Date.parse(renewed) <= (leaseDurationSeconds + 1) * 1000 }
}

function speakersOf({ snapshot }: Picture): readonly SpeakerView[] {
  const announced = Map.groupBy(
    [...snapshot.records.values()].flatMap(({ published }) => (published ? answeringNodes(published) : [])),
    node => node,
  )
  const seen = snapshot.speakers.map((speaker): SpeakerView => {
    const { node, facts } = speaker.lease
    const { reluctance } = facts
    return {
      node,
      state: livenessOf(speaker, snapshot.takenAtMs),
      renewed: speaker.renewTime,
      services: announced.get(node)?.length ?? 0,
      interfaces: facts.interfaces.map(({ name, carrier }) => (carrier ? name : `${name} (no carrier)`)),
      note:
        reluctance?.kind === 'drained'
          ? `being drained (${reluctance.by})`
          : reluctance?.kind === 'proxyUnhealthy'
            ? 'kube-proxy is not healthy'
            : '',
    }
  })
  const missing = [...snapshot.nodes.keys()]
    .filter(node => !seen.some(speaker => speaker.node === node))
    .map((node): SpeakerView => {
      return { node, state: 'missing', renewed: undefined, services: 0, interfaces: [], note: 'no speaker runs there' }
    })
  return [...seen, ...missing].sort((one, other) => (one.node < other.node ? -1 : 1))
}

/** What is wrong with a Service, or undefined. What the programs wrote of it counts first: they know more than a look from outside. */
function troubleOf(picture: Picture, service: Service): TroubledService | undefined {
  if (service.beingDeleted) return undefined
  const said = (type: string) => service.conditions.find(condition => condition.type === type)
  const { key } = service
  if (!service.ingress.some(({ kind }) => kind === 'address')) {
    const { reason, message } = said(allocatedCondition) ?? noAddressYet(picture, service)
    return { service: key, what: 'no address', reason, message }
  }
  const condition = said(announcedCondition)
  if (condition?.status === 'True') return undefined
  const { reason, message } = condition ?? notAnnouncedYet(picture, service)
  return { service: key, what: 'not announced', reason, message }
}

interface Said {
  readonly reason: string
  readonly message: string
}

function noAddressYet({ book, namespaces, ledger }: Picture, service: Service): Said {
  const request = requestOf(service)
  const answer = isRefusal(request) ? request : allocate(book, namespaces, ledger, request)
  if (answer.kind === 'allocation')
    return { reason: 'NotWrittenYet', message: 'The controller has not decided about it yet.' }
  const { reason, text } = wordRefusal(answer)
  return { reason, message: text }
}

function notAnnouncedYet(picture: Picture, service: Service): Said {
  const notWritten = { reason: 'NotWrittenYet', message: 'No speaker has said anything of it yet.' }
  const layer2 = picture.layer2Of(service)
  if (layer2?.kind !== 'refused') return notWritten
  // What a speaker would write, if there were one.
  const condition = conditionFor(layer2, picture.routingOf(service))
  return condition.status === 'True' ? notWritten : condition
}
