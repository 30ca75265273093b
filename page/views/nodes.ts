import { isUp, type PeerView } from '../../cli/peers.ts'
import type { SpeakerView } from '../../cli/status.ts'
import { compareAddresses, formatAddress, parseAddress } from '../../net/address.ts'
import { answeringNodes } from '../../speaker/layer2/record.ts'
import type { Scene } from './scene.ts'

/** A node, and what it announces. */
export interface NodeRow extends Omit<SpeakerView, 'renewed'> {
  /** Left out: it would change all the time. */
  readonly renewed?: undefined
  readonly ready: boolean
  /** Labelled not to take traffic from outside. */
  readonly excluded: boolean
  readonly addresses: readonly string[]
  readonly moreAddresses: number
  readonly sessions: { readonly total: number; readonly up: number }
  /** Prefixes that it tells its routers, all sessions together. */
  readonly prefixes: number
}

const mostAddresses = 6

export function nodeRows({ picture, status }: Scene): readonly NodeRow[] {
  const { snapshot } = picture
  const announced = Map.groupBy(
    [...snapshot.records.values()].flatMap(({ published }) =>
      published ? answeringNodes(published).map(node => ({ node, addresses: published.addresses })) : [],
    ),
    ({ node }) => node,
  )
  const sessions = Map.groupBy(status.peers, ({ node }) => node)
  return status.speakers.map(speaker => {
    const node = snapshot.nodes.get(speaker.node)
    const addresses = inOrder(new Set(announced.get(speaker.node)?.flatMap(({ addresses }) => addresses)))
    const own = sessions.get(speaker.node) ?? []
    return {
      ...speaker,
      renewed: undefined,
      ready: node?.ready ?? false,
      excluded: node?.excluded ?? false,
      addresses: addresses.slice(0, mostAddresses),
      moreAddresses: Math.max(0, addresses.length - mostAddresses),
      sessions: { total: own.length, up: own.filter(isUp).length },
      prefixes: own.filter(isUp).reduce((sum, { sent }) => sum + sent, 0),
    }
  })
}

/** As numbers, so that 10.0.0.9 stands before 10.0.0.10. */
function inOrder(addresses: Iterable<string>): readonly string[] {
  const parsed = Array.from(addresses, text => parseAddress(text)).filter(address => address !== undefined)
  return parsed.sort(compareAddresses).map(formatAddress)
}

/** BGP and BFD sessions, those that are down first. */
export function sessionRows({ status }: Scene): readonly PeerView[] {
  return status.peers.toSorted((one, other) => Number(isUp(one)) - Number(isUp(other)))
}
