import type { Service } from '../kube/service.ts'
import { surveyOf } from '../speaker/advertisements.ts'
import { conditionOf } from '../speaker/condition.ts'
import { answeringNodes, formatBecause, type OwnershipRecord, recordKey } from '../speaker/layer2/record.ts'
import {
  formatNodeRefusal,
  formatRefusal,
  formatUnadvertised,
  type NodeRefusal,
  type Refusal,
} from '../speaker/refusal.ts'
import { adviceOnAnnouncement, adviceOnSpeaker } from './advice.ts'
import { type Loss, layer2Loss } from './explain-loss.ts'
import { type Layer2View, type Picture, pictureWithout } from './picture.ts'
import { ago } from './words.ts'

/** Who announces a Service at layer 2, and why that node; or why nobody. */
export interface Layer2Explanation {
  /** `silent`: no L2Advertisement speaks for it. */
  readonly state: 'announced' | 'coming' | 'refused' | 'silent'
  readonly text: string
  readonly advice: readonly string[]
  readonly node: string | undefined
  /** All that answer, each a part of the clients; empty where one node answers all. */
  readonly sharers: readonly string[]
  readonly since: string | undefined
  /** Who takes over if that node is lost. */
  readonly next: string | undefined
  /** What that means, as a sentence; undefined where nobody announces it. */
  readonly ifLost: Loss | undefined
  readonly nodes: readonly NodeAnswer[]
}

/** What one node says to a Service. */
export interface NodeAnswer {
  readonly node: string
  readonly answer: 'has it' | 'yes' | 'no'
  readonly why: string
}

export function explainLayer2(picture: Picture, service: Service): Layer2Explanation | undefined {
  const { snapshot } = picture
  const view = picture.layer2Of(service)
  if (!view) return undefined
  if (view.kind === 'refused') {
    const { refusal } = view
    return {
      state: refusal.kind === 'NoAdvertisement' ? 'silent' : 'refused',
      text: `${formatRefusal(refusal)}.`,
      advice: adviceOnAnnouncement(refusal, service, snapshot.namespace),
      node: undefined,
      sharers: [],
      since: undefined,
      next: undefined,
      ifLost: undefined,
      nodes: isAboutNodes(refusal) ? nodeAnswers(picture, service, view, []) : [],
    }
  }
  const record = snapshot.records.get(recordKey(service))
  const since = record && snapshot.announcedSince.get(record.key)
  const { state, text } = announcementOf(view, record, service, since && ago(since, snapshot.takenAtMs))
  const unadvertised = view.advertisement.unadvertised.map(formatUnadvertised)
  const node = state === 'refused' ? undefined : (record?.published?.node ?? view.verdict.node)
  const sharers = state === 'refused' ? [] : (record?.published?.sharers ?? [])
  const owners = record?.published ? answeringNodes(record.published) : []
  const next = node === undefined ? undefined : nextOf(picture, service, node)
  return {
    state,
    text: [text, ...unadvertised].join('; ') + '.',
    advice: adviceFor(state, service, view.verdict.node, snapshot.namespace),
    node,
    sharers,
    since,
    next,
    ifLost: node === undefined ? undefined : layer2Loss(sharers, next),
    nodes: nodeAnswers(picture, service, view, owners),
  }
}

function isAboutNodes({ kind }: Refusal): boolean {
  return kind === 'NoEligibleNode' || kind === 'SharedAddressElsewhere'
}

function announcementOf(
  { verdict }: Layer2View & { readonly kind: 'elected' },
  record: OwnershipRecord | undefined,
  service: Service,
  age: string | undefined,
): Pick<Layer2Explanation, 'state' | 'text'> {
  const condition = conditionOf(service)
  // Of these only the speaker that has the address knows.
  if (condition?.reason === 'AddressInUse' || condition?.reason === 'InterfaceUnusable') {
    return { state: 'refused', text: condition.message }
  }
  const published = record?.published
  if (!published) {
    return {
      state: 'coming',
      text: `node ${verdict.node} is to announce it and has not said so yet`,
    }
  }
  const { node: speaking, sharers, addresses, interfaces } = published
  const on = `${addresses.join(', ')} on ${interfaces.join(', ')}`
  const where = sharers
    ? `nodes ${sharers.join(', ')} announce ${on}, each to its part of the clients (${speaking} speaks for all)`
    : `node ${speaking} announces ${on}`
  const long = age ? `, for ${age}` : ''
  const why = record.claim?.node === published.node ? `; it took it since ${formatBecause(record.claim)}` : ''
  const moves =
    verdict.node === published.node
      ? ''
      : `; it is about to move to node ${verdict.node} (${wordVerdict(verdict.because)})`
  return { state: 'announced', text: `${where}${long}${why}${moves}` }
}

function adviceFor(
  state: Layer2Explanation['state'],
  service: Service,
  node: string,
  namespace: string,
): readonly string[] {
  // It takes a moment; after that something is in its way.
  if (state === 'coming') return [adviceOnSpeaker(node, namespace)]
  const isUnusable = state === 'refused' && conditionOf(service)?.reason === 'InterfaceUnusable'
  return isUnusable ? adviceOnAnnouncement({ kind: 'InterfaceUnusable', node }, service, namespace) : []
}

/** Why it is elected, in words that go behind its name. */
export function wordVerdict(because: (Layer2View & { kind: 'elected' })['verdict']['because']): string {
  switch (because) {
    case 'kept':
      return 'which has claimed it'
    case 'first':
      return 'nobody has it by the record'
    case 'ownerUnable':
      return 'the node that has it can no longer announce it'
    case 'preferred':
      return 'which is preferred'
    case 'spread':
      return 'the node that has it announces more than its share'
  }
}

/** Who would be elected without this node. */
function nextOf(picture: Picture, service: Service, node: string): string | undefined {
  const view = pictureWithout(picture, node).layer2Of(service)
  return view?.kind === 'elected' ? view.verdict.node : undefined
}

/** Each node alone is asked: in a survey of all, those that cannot are not named beside those that can. */
function nodeAnswers(
  picture: Picture,
  service: Service,
  view: Layer2View,
  owners: readonly string[],
): readonly NodeAnswer[] {
  const { snapshot, members } = picture
  const endpoints = picture.endpointsOf(service)
  const names = [...new Set([...snapshot.nodes.keys(), ...members.keys()])].sort()
  const isChosen = (name: string): boolean =>
    view.kind === 'elected' && view.advertisement.offers.some(({ reach }) => reach.nodes.has(name))
  return names.map((name): NodeAnswer => {
    if (owners.includes(name))
      return { node: name, answer: 'has it', why: wordReluctance(picture, name) || 'announces it' }
    if (isChosen(name)) {
      const elected = view.kind === 'elected' && view.verdict.node === name ? 'is elected' : 'could announce it'
      return { node: name, answer: 'yes', why: wordReluctance(picture, name) || elected }
    }
    const node = snapshot.nodes.get(name)
    const member = members.get(name)
    const alone = surveyOf({
      config: snapshot.resolved.config,
      nodes: new Map(node ? [[name, node]] : []),
      members: new Map(member ? [[name, member]] : []),
    }).advertisementsFor(service, endpoints)
    const refusal: NodeRefusal | undefined =
      alone?.kind === 'refused' && alone.refusal.kind === 'NoEligibleNode'
        ? alone.refusal.nodes.find(one => one.node === name)
        : view.kind === 'elected'
          ? { kind: 'otherNetwork', node: name }
          : undefined
    return {
      node: name,
      answer: 'no',
      why: refusal ? formatNodeRefusal(refusal) : 'could announce this Service, but not those that share its address',
    }
  })
}

function wordReluctance({ members }: Picture, node: string): string {
  const reluctance = members.get(node)?.facts.reluctance
  switch (reluctance?.kind) {
    case undefined:
      return ''
    case 'drained':
      return `is being drained (${reluctance.by}): only where no other node can`
    case 'proxyUnhealthy':
      return 'its kube-proxy is not healthy: only where no other node can'
  }
}
