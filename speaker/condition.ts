import type { Condition, Service } from '../kube/service.ts'
import {
  type AddressRival,
  fewOf,
  formatRefusal,
  formatRival,
  formatUnadvertised,
  plural,
  type Refusal,
  type UnadvertisedAddress,
} from './refusal.ts'
import { formatSharedRoute } from './routing/shared-routes.ts'
import { formatDisagreement } from './routing/terms.ts'
import type { RoutingVerdict } from './routing/verdict.ts'

/*
 * The condition berth.dev/Announced: whether the network knows the way to a Service, and how or why not. Layer 2 and BGP
 * each may announce it, or some of its addresses; one of them is enough for True, and what the other says stands behind it.
 * Speakers must not write over each other, so all that stands in it is known to every one of them.
 */

/** The type of the Service's condition that speakers keep: whether anybody announces it, and who or why not. */
export const announcedCondition = 'berth.dev/Announced'

/** What speakers decide of it; the times are added where it is written. */
export type AnnouncedCondition = Pick<Condition, 'type' | 'message'> &
  (
    | { readonly status: 'True'; readonly reason: 'Announced' }
    | { readonly status: 'False'; readonly reason: Refusal['kind'] }
  )

/** The condition as it stands in the Service's status. */
export function conditionOf(service: Service): Condition | undefined {
  return service.conditions.find(one => one.type === announcedCondition)
}

/** Whether there is anything to write. */
export function differs(now: Condition | undefined, wanted: AnnouncedCondition): boolean {
  return now?.status !== wanted.status || now.reason !== wanted.reason || now.message !== wanted.message
}

/** What layer 2 makes of a Service. */
export type Layer2Verdict =
  | {
      readonly kind: 'announcing'
      /** Addresses, node and interfaces, in words. */
      readonly where: string
      /** Addresses that no L2Advertisement speaks for. */
      readonly unadvertised: readonly UnadvertisedAddress[]
      /** Other stations that have one of its addresses too. */
      readonly rivals: readonly AddressRival[]
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** What is to be said of a Service, given what each way makes of it; `routing` is undefined where no BGPAdvertisement speaks for it. */
export function conditionFor(layer2: Layer2Verdict, routing: RoutingVerdict | undefined): AnnouncedCondition {
  if (layer2.kind === 'announcing') {
    const rest = [...formatRouting(routing), ...formatSilence(layer2.unadvertised, routing)]
    return announced([`layer 2: announcing ${layer2.where}`, ...layer2.rivals.map(formatRival), ...rest])
  }
  const { refusal } = layer2
  if (isAnnounced(routing)) {
    const rest =
      refusal.kind === 'NoAdvertisement'
        ? formatSilence(refusal.addresses, routing)
        : [`not at layer 2: ${formatRefusal(refusal)}`]
    return announced([...formatRouting(routing), ...rest])
  }
  return notAnnounced(refusal, routing)
}

/** Whether BGP alone is enough to say that the Service is announced. */
export function isAnnounced(routing: RoutingVerdict | undefined): boolean {
  return routing?.kind === 'announced' && routing.established
}

/** Why nobody announces it, in one word. */
export function reasonFor(layer2: Refusal, routing: RoutingVerdict | undefined): Refusal['kind'] {
  return refusalsToTell(layer2, routing)[0].kind
}

function announced(parts: readonly string[]): AnnouncedCondition {
  return { type: announcedCondition, status: 'True', reason: 'Announced', message: parts.join('; ') }
}

function notAnnounced(layer2: Refusal, routing: RoutingVerdict | undefined): AnnouncedCondition {
  const [first, second] = refusalsToTell(layer2, routing)
  const message = second ? `layer 2: ${formatRefusal(first)}; BGP: ${formatRefusal(second)}` : formatRefusal(first)
  return { type: announcedCondition, status: 'False', reason: first.kind, message }
}

/** That of the one way that is asked for, or those of both; endpoints are the same to both. */
function refusalsToTell(layer2: Refusal, routing: RoutingVerdict | undefined): readonly [Refusal, Refusal?] {
  const bgp = refusalOf(routing)
  if (!bgp) return [layer2]
  return layer2.kind === 'NoAdvertisement' || bgp.kind === 'NoUsableEndpoints' ? [bgp] : [layer2, bgp]
}

function refusalOf(routing: RoutingVerdict | undefined): Refusal | undefined {
  if (routing?.kind !== 'announced') return routing?.refusal
  const { nodes, peers } = routing
  return { kind: 'NoEstablishedSession', nodes, peers }
}

function formatRouting(routing: RoutingVerdict | undefined): readonly string[] {
  if (!routing) return []
  if (routing.kind === 'refused') return [`not by BGP: ${formatRefusal(routing.refusal)}`]
  const { addresses, nodes, peers, disagreements, sharedRoutes } = routing
  const who = `${plural(nodes, 'node')} ${fewOf(nodes)} ${nodes.length === 1 ? 'announces' : 'announce'}`
  const words = `BGP: ${who} ${addresses.join(', ')} to ${plural(peers, 'peer')} ${fewOf(peers)}`
  return [words, ...disagreements.map(formatDisagreement), ...sharedRoutes.map(formatSharedRoute)]
}

/** The addresses that neither way announces. */
function formatSilence(
  unadvertised: readonly UnadvertisedAddress[],
  routing: RoutingVerdict | undefined,
): readonly string[] {
  const told = routing?.kind === 'announced' ? routing.addresses : []
  return unadvertised.filter(({ address }) => !told.includes(address)).map(formatUnadvertised)
}
