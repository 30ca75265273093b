import { type Refusal as AllocationRefusal, allocate, type PoolObjection } from '../controller/allocator.ts'
import { allocatedCondition, isLeftToOthers, planService } from '../controller/plan.ts'
import { wordObjection, wordRefusal } from '../controller/refusal.ts'
import { isOfClass, isRefusal, requestOf, shownAddresses } from '../controller/request.ts'
import type { Condition, Service } from '../kube/service.ts'
import { settledCondition } from '../kube/settled.ts'
import { formatAddress } from '../net/address.ts'
import { announcedCondition } from '../speaker/condition.ts'
import { adviceOnAllocation } from './advice.ts'
import { type BgpExplanation, explainBgp } from './explain-bgp.ts'
import { explainLayer2, type Layer2Explanation } from './explain-layer2.ts'
import { explainTaken } from './explain-taken.ts'
import type { Picture } from './picture.ts'

/** Everything about one Service: the plans of both programs, printed and not applied. */
export interface Explanation {
  readonly service: string
  readonly takenAtMs: number
  /** Why it is none of Berth's; then the rest is empty. */
  readonly notOurs: string | undefined
  readonly endpoints: { readonly usable: number; readonly nodes: number }
  readonly externalTrafficPolicy: string
  readonly addresses: readonly string[]
  readonly pool: string | undefined
  /** Other Services that have an address of its, by name. */
  readonly sharedWith: readonly string[]
  /** Why it has no address, or what is yet to be done about it. */
  readonly pending: { readonly reason: string; readonly text: string; readonly advice: readonly string[] } | undefined
  readonly pools: readonly PoolAnswer[]
  /** Undefined where it has no address. */
  readonly layer2: Layer2Explanation | undefined
  readonly bgp: BgpExplanation | undefined
  readonly conditions: readonly Condition[]
}

/** What one pool says to the Service. */
export interface PoolAnswer {
  readonly pool: string
  readonly answer: 'has it' | 'yes' | 'no'
  readonly why: string
}

const told: readonly string[] = [allocatedCondition, announcedCondition, settledCondition]

export function explainService(picture: Picture, service: Service): Explanation {
  const { snapshot, ledger } = picture
  const endpoints = picture.endpointsOf(service)
  const notOurs = whyNotOurs(service, picture)
  const grant = ledger.grantOf(service.key)
  const hasAddress = notOurs === undefined && service.ingress.some(({ kind }) => kind === 'address')
  return {
    service: service.key,
    takenAtMs: snapshot.takenAtMs,
    notOurs,
    endpoints: { usable: endpoints.usable, nodes: endpoints.usableByNode.size },
    externalTrafficPolicy: service.externalTrafficPolicy,
    addresses: shownAddresses(service).map(formatAddress),
    pool: grant?.pool,
    sharedWith: sharersOf(picture, service),
    pending: notOurs === undefined ? pendingOf(picture, service) : undefined,
    pools: notOurs === undefined && isAskingPools(picture, service) ? poolAnswers(picture, service) : [],
    layer2: hasAddress ? explainLayer2(picture, service) : undefined,
    bgp: hasAddress ? explainBgp(picture, service) : undefined,
    conditions: service.conditions.filter(({ type }) => told.includes(type)),
  }
}

function sharersOf({ ledger }: Picture, service: Service): readonly string[] {
  const holders = shownAddresses(service).flatMap(address => ledger.holdersOf(address).map(grant => grant.service))
  return [...new Set(holders)].filter(key => key !== service.key).sort()
}

function whyNotOurs(service: Service, { book, loadBalancerClass }: Picture): string | undefined {
  if (service.type !== 'LoadBalancer') return 'its type is not LoadBalancer: it wants no address from outside.'
  if (isOfClass(service, loadBalancerClass))
    return isLeftToOthers({ book }, service)
      ? 'its addresses were written by somebody else, and as long as there is no IPAddressPool Berth leaves them alone. To move from MetalLB: kubectl berth migrate from-metallb.'
      : undefined
  const given = service.loadBalancerClass
  return given === undefined
    ? `it has no spec.loadBalancerClass, and you ask for the controller of "${loadBalancerClass}".`
    : `spec.loadBalancerClass is "${given}": another load balancer's, unless Berth's controller runs with --load-balancer-class ${given} (then say so here too).`
}

/** What the controller would still do about the Service's address. */
function pendingOf(picture: Picture, service: Service): Explanation['pending'] {
  const { ledger, book, namespaces, loadBalancerClass, snapshot } = picture
  const refusal = refusalOf(picture, service)
  if (refusal) {
    const { reason, text } = wordRefusal(refusal)
    return { reason, text, advice: adviceOnAllocation(refusal, service, snapshot.namespace) }
  }
  const plan = planService({ service, ledger, book, namespaces, loadBalancerClass }, service.key)
  const ingress = plan.find(action => action.kind === 'setIngress')
  if (!ingress) return explainTaken(picture, service)
  const text = `The controller is to write ${ingress.addresses.map(formatAddress).join(', ')} into its status, and has not done so yet.`
  const advice = [`Is a controller running? kubectl berth status`]
  return { reason: 'NotWrittenYet', text, advice }
}

/** Why it gets nothing: by the plan, which also knows what it may keep. */
function refusalOf({ ledger, book, namespaces }: Picture, service: Service): AllocationRefusal | undefined {
  if (ledger.grantOf(service.key) || service.beingDeleted) return undefined
  const request = requestOf(service)
  if (isRefusal(request)) return request
  const { problem } = service.request
  if (problem !== undefined) return { kind: 'requestUnreadable', problem }
  const answer = allocate(book, namespaces, ledger, request)
  return answer.kind === 'allocation' ? undefined : answer
}

/** Whether the Service gets as far as the pools: where nobody can tell what it wants, no pool has a say. */
function isAskingPools(picture: Picture, service: Service): boolean {
  switch (refusalOf(picture, service)?.kind) {
    case 'requestUnreadable':
    case 'noClusterIP':
    case 'secondClusterIPMissing':
    case 'familyMismatch':
    case 'noPools':
      return false
    case 'unknownPool':
    case 'noPoolFits':
    case undefined:
      return true
  }
}

/** Every pool, in the order in which they are tried, with its yes or no. */
function poolAnswers({ ledger, book, namespaces }: Picture, service: Service): readonly PoolAnswer[] {
  const request = requestOf(service)
  const grant = ledger.grantOf(service.key)
  const setAside = book.setAside.map(({ name, reason, message }): PoolAnswer => {
    const objection: PoolObjection = { kind: 'setAside', reason, message }
    return { pool: name, answer: 'no', why: wordObjection(objection) }
  })
  const answers = book.pools.map((pool): PoolAnswer => {
    const { name } = pool
    if (grant?.pool === name)
      return { pool: name, answer: 'has it', why: grant.addresses.map(formatAddress).join(', ') }
    if (isRefusal(request)) return { pool: name, answer: 'no', why: 'is not asked: the Service has no cluster IP' }
    if (request.pool !== undefined && request.pool !== name) {
      return { pool: name, answer: 'no', why: `is not asked for: the annotation address-pool names "${request.pool}"` }
    }
    const answer = allocate({ pools: [pool], setAside: [] }, namespaces, ledger, request)
    if (answer.kind === 'allocation') {
      return { pool: name, answer: 'yes', why: `would give ${answer.addresses.map(formatAddress).join(', ')}` }
    }
    const objection = answer.kind === 'noPoolFits' ? answer.verdicts[0]?.objection : undefined
    return {
      pool: name,
      answer: 'no',
      why: objection ? wordObjection(objection) : 'is not asked: the Service asks for what it cannot have',
    }
  })
  return [...answers, ...setAside]
}
