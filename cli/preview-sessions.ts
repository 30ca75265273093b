import type { BFDProfile } from '../crds/config.ts'
import { type NodePeer, type Password, peersOfNode } from '../speaker/routing/peers.ts'
import type { Picture } from './picture.ts'
import type { RoutedPair } from './preview-routes.ts'

/** Sessions with one router that come, go, or begin anew. */
export interface SessionChange {
  readonly peer: string
  /** `restarts`: its settings differ, and so the session is ended and opened again; `bfd`: only how BFD watches it differs. */
  readonly effect: 'begins' | 'ends' | 'restarts' | 'bfd'
  readonly nodes: readonly string[]
  /** The settings that differ, or why there can be no session. */
  readonly why: string
  /** Services whose routes go over sessions that end or restart, sorted. */
  readonly services: readonly string[]
}

/** Every change of the sessions of nodes with a speaker, by router. */
export function sessionChanges({ before, after, assumeSpeakers, plans }: RoutedPair): readonly SessionChange[] {
  const names = [...new Set([...before.snapshot.nodes.keys(), ...after.snapshot.nodes.keys()])].sort()
  const found = names.flatMap(node => {
    const [earlier, now] = [before, after].map(picture => peersAt(picture, node, assumeSpeakers))
    const peers = [...new Set([...(earlier?.keys() ?? []), ...(now?.keys() ?? [])])].sort()
    return peers.flatMap(peer => {
      const change = changeOf(earlier?.get(peer), now?.get(peer))
      return change ? [{ node, peer, ...change }] : []
    })
  })
  const services = (peer: string, nodes: readonly string[]): readonly string[] => {
    const told = nodes.flatMap(node => [...(plans.before.get(node)?.peersByService ?? [])])
    const own = told.filter(([, peers]) => peers.includes(peer)).map(([service]) => service)
    return [...new Set(own)].sort()
  }
  const groups = Map.groupBy(found, ({ peer, effect, why }) => `${peer} ${effect} ${why}`)
  return [...groups.values()]
    .flatMap((list): readonly SessionChange[] => {
      const [first] = list
      if (!first) return []
      const { peer, effect, why } = first
      const nodes = list.map(({ node }) => node)
      const isFelt = effect === 'ends' || effect === 'restarts'
      return [{ peer, effect, nodes, why, services: isFelt ? services(peer, nodes) : [] }]
    })
    .sort((one, other) => (one.peer < other.peer ? -1 : one.peer > other.peer ? 1 : 0))
}

function peersAt(picture: Picture, name: string, assumeSpeakers: boolean): ReadonlyMap<string, NodePeer> {
  const { snapshot, members } = picture
  const node = snapshot.nodes.get(name)
  const isThere = assumeSpeakers || members.get(name)?.liveness === 'alive'
  if (!node || !isThere) return new Map()
  const { config } = snapshot.resolved
  const named = config.bgpPeers.flatMap(({ passwordSecretName }) => passwordSecretName ?? [])
  // What the Secrets say is nobody's to read here; that another one is named is seen all the same.
  const passwords = new Map(named.map((secret): [string, Password] => [secret, { text: secret.slice(-80) }]))
  return new Map(peersOfNode(config, node, passwords).map(peer => [peer.name, peer]))
}

function changeOf(
  was: NodePeer | undefined,
  is: NodePeer | undefined,
): Pick<SessionChange, 'effect' | 'why'> | undefined {
  if (!was?.settings && is?.settings) return { effect: 'begins', why: '' }
  if (was?.settings && !is?.settings) return { effect: 'ends', why: is?.problem ?? '' }
  const settings = differing(was?.settings, is?.settings)
  if (settings.length > 0) return { effect: 'restarts', why: settings.join(', ') }
  const watch = is?.settings ? differing(watchOf(was?.profile), watchOf(is.profile)) : []
  return watch.length > 0 ? { effect: 'bfd', why: watch.join(', ') } : undefined
}

/** What of a profile BFD goes by: neither what it is called, nor its echo packets, which there are none of. */
function watchOf(profile: BFDProfile | undefined): object {
  if (!profile) return {}
  const { name: _, echoIntervalMs: __, echoMode: ___, ...watch } = profile
  return watch
}

/** The names of the fields that differ. */
function differing(one: object | undefined, other: object | undefined): readonly string[] {
  const [before, after] = [one, other].map(value => new Map(Object.entries(value ?? {}).map(entryText)))
  const names = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])
  return [...names].filter(name => before?.get(name) !== after?.get(name))
}

function entryText([name, value]: readonly [string, unknown]): [string, string] {
  return [name, JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? '']
}
