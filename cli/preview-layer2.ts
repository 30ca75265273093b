import type { Service } from '../kube/service.ts'
import { type Group, offersAt, sharersOf } from '../speaker/layer2/groups.ts'
import { formatRefusal } from '../speaker/refusal.ts'
import { wordVerdict } from './explain-layer2.ts'
import type { Layer2View, Picture } from './picture.ts'

/** A Service that layer 2 announces otherwise than before. */
export interface AnnouncementChange {
  readonly service: string
  /** `readdressed`: the same nodes announce, but other addresses or on other interfaces. */
  readonly effect: 'stops' | 'begins' | 'moves' | 'readdressed'
  readonly before: Announcement
  readonly after: Announcement
  readonly why: string
}

/** Who announces what. */
export interface Announcement {
  /** One, or several that share its clients; none where nobody announces it. */
  readonly nodes: readonly string[]
  /** `192.0.2.5 on eth0`, sorted; without interfaces where all of the node are meant. */
  readonly addresses: readonly string[]
}

/** The cluster before and after. */
export interface Pair {
  readonly before: Picture
  readonly after: Picture
  /** No Lease tells which nodes have speakers: all are taken to have one. */
  readonly assumeSpeakers: boolean
}

/** Every Service that layer 2 announces otherwise, by name. */
export function announcementChanges({ before, after }: Pair): readonly AnnouncementChange[] {
  const keys = [...new Set([...before.snapshot.services.keys(), ...after.snapshot.services.keys()])].sort()
  return keys.flatMap(key => {
    const [earlier, now] = [before, after].map(picture => viewOf(picture, key))
    const [was, is] = [announcementOf(key, earlier), announcementOf(key, now)]
    const effect = effectOf(was, is)
    return effect
      ? [{ service: key, effect, before: was, after: is, why: whyOf(effect, after, key, now, was, is) }]
      : []
  })
}

const nobody: Announcement = { nodes: [], addresses: [] }

function viewOf(picture: Picture, key: string): Layer2View | undefined {
  const service = picture.snapshot.services.get(key)
  return service && picture.layer2Of(service)
}

function announcementOf(key: string, view: Layer2View | undefined): Announcement {
  if (view?.kind !== 'elected') return nobody
  const sharers = sharersOf(view.group)
  const nodes = sharers.length > 0 ? sharers : [view.verdict.node]
  return { nodes, addresses: placesOf(view.group, key, nodes) }
}

function placesOf(group: Group, key: string, nodes: readonly string[]): readonly string[] {
  const places = nodes.flatMap(node => offersAt(group, node).get(key as Service['key']) ?? [])
  const texts = places.map(({ address, interfaces }) => {
    return interfaces === 'all' ? address : `${address} on ${interfaces.join(', ')}`
  })
  return [...new Set(texts)].sort()
}

function effectOf(was: Announcement, is: Announcement): AnnouncementChange['effect'] | undefined {
  if (was.nodes.length === 0) return is.nodes.length === 0 ? undefined : 'begins'
  if (is.nodes.length === 0) return 'stops'
  if (was.nodes.join() !== is.nodes.join()) return 'moves'
  return was.addresses.join() === is.addresses.join() ? undefined : 'readdressed'
}

function whyOf(
  effect: AnnouncementChange['effect'],
  after: Picture,
  key: string,
  now: Layer2View | undefined,
  was: Announcement,
  is: Announcement,
): string {
  switch (effect) {
    case 'stops':
      return whyNobody(after, key, now)
    case 'begins':
      return ''
    case 'moves':
      if (was.nodes.length > 1 || is.nodes.length > 1) return 'its clients are shared among other nodes'
      return now?.kind === 'elected' ? wordVerdict(now.verdict.because) : ''
    case 'readdressed':
      return ''
  }
}

function whyNobody(after: Picture, key: string, now: Layer2View | undefined): string {
  const service = after.snapshot.services.get(key)
  if (!service) return 'the Service is removed'
  if (now?.kind !== 'refused') return 'the Service has no address to announce any more'
  // That no BGPAdvertisement does either, as the refusal says, is true only of Services that BGP has nothing to do with.
  if (now.refusal.kind === 'NoAdvertisement' && after.routingOf(service)) return 'no L2Advertisement speaks for it'
  return formatRefusal(now.refusal)
}
