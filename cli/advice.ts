import type { Refusal as AllocationRefusal, PoolObjection } from '../controller/allocator.ts'
import type { Service } from '../kube/service.ts'
import type { NodeRefusal, Refusal } from '../speaker/refusal.ts'

/*
 * What to do, where a refusal itself does not say it: with the command to run wherever there is one. controller/refusal.ts
 * and speaker/refusal.ts say what is wrong in an Event's length; here there is room, and somebody who asked.
 */

/** What to do about a Service without an address. */
export function adviceOnAllocation(refusal: AllocationRefusal, service: Service, namespace: string): readonly string[] {
  const annotate = `kubectl -n ${service.namespace} annotate service ${service.name} --overwrite`
  switch (refusal.kind) {
    case 'requestUnreadable':
      return [`Correct the annotation: ${annotate} …`]
    case 'noClusterIP':
      return ['Make the Service anew without clusterIP: None, or change its type to ClusterIP.']
    case 'secondClusterIPMissing':
    case 'familyMismatch':
      return []
    case 'noPools':
      return [`An admin applies one in namespace ${namespace}: kind IPAddressPool with spec.addresses.`]
    case 'unknownPool':
      return [`${annotate} berth.dev/address-pool=…`]
    case 'noPoolFits':
      return unique(
        refusal.verdicts.flatMap(({ pool, objection }) => adviceOnPool(pool, objection, service, namespace)),
      )
  }
}

function adviceOnPool(pool: string, objection: PoolObjection, service: Service, namespace: string): readonly string[] {
  const edit = `kubectl -n ${namespace} edit ipaddresspool ${pool}`
  const annotate = `kubectl -n ${service.namespace} annotate service ${service.name}`
  switch (objection.kind) {
    case 'namespaceNotAdmitted':
      return [
        objection.selectors.length > 0
          ? `Label the namespace ${service.namespace} so that ${pool} selects it, or widen serviceAllocation: ${edit}`
          : `Add ${service.namespace} to serviceAllocation.namespaces: ${edit}`,
      ]
    case 'labelsNotSelected':
      return [
        `Label the Service so that ${pool} selects it: kubectl -n ${service.namespace} label service ${service.name} …`,
      ]
    case 'setAside':
      return [`Mend the pool, everything else goes on meanwhile: ${edit}`]
    case 'autoAssignOff':
      return [`Ask for it: ${annotate} berth.dev/address-pool=${pool}`]
    case 'familyMissing':
      return [`Add ${objection.family} addresses to spec.addresses: ${edit}`]
    case 'exhausted':
      return [`Add a range, which moves nothing: ${edit}`]
    case 'addressOutside':
      return ['Ask for an address that a pool holds; "kubectl berth pools -o wide" lists them.']
    case 'addressAvoided':
      return ['Ask for another address, or none.']
    case 'addressHeld':
      return [`Ask for another address, or look at its holder: kubectl berth explain service ${objection.holder}`]
  }
}

/** What to do about a Service that nobody announces. */
export function adviceOnAnnouncement(refusal: Refusal, service: Service, namespace: string): readonly string[] {
  switch (refusal.kind) {
    case 'NoAddress':
      return []
    case 'NoAdvertisement':
      return refusal.addresses.map(({ address, pool, passedBy }) => {
        if (pool === undefined) return `Add ${address} to an IPAddressPool, or let Berth choose another address.`
        const [passing] = passedBy
        if (passing) return `Change it: kubectl -n ${namespace} edit ${passing.kind.toLowerCase()} ${passing.name}`
        return `Apply an L2Advertisement or a BGPAdvertisement with ipAddressPools: [${pool}] in namespace ${namespace}.`
      })
    case 'NoUsableEndpoints':
      return [
        service.podSelector === ''
          ? `The Service has no selector: its EndpointSlices are somebody's to write.`
          : `Look at its Pods: kubectl -n ${service.namespace} get pods -l ${service.podSelector}`,
      ]
    case 'NoEligibleNode':
      return adviceOnNodes(refusal.nodes, namespace)
    case 'SharedAddressElsewhere':
      return ['Give it an address of its own, or let its Pods run where those of the others do.']
    case 'InterfaceUnusable':
      return [adviceOnSpeaker(refusal.node, namespace)]
    case 'AddressInUse':
      return []
    case 'NoPeer':
      return [`Apply a BGPPeer for each router in namespace ${namespace}; docs/bgp.md has the first one.`]
    case 'NoEstablishedSession':
      return ['See why no session stands: kubectl berth peers']
  }
}

/** Where only the log of a node's speaker tells. */
export function adviceOnSpeaker(node: string, namespace: string): string {
  const pod = `kubectl -n ${namespace} get pods -l app.kubernetes.io/component=speaker --field-selector spec.nodeName=${node} -o name`
  return `Its speaker’s log says why: kubectl -n ${namespace} logs --tail=50 $(${pod})`
}

/** Of many nodes that say the same, one is named with the command, and the others are counted. */
function adviceOnNodes(refusals: readonly NodeRefusal[], namespace: string): readonly string[] {
  if (refusals.length === 0) return ['Let nodes join the cluster.']
  return [...Map.groupBy(refusals, ({ kind }) => kind).values()].flatMap(([first, ...more]) => {
    if (!first) return []
    const texts = adviceOnNode(first, namespace)
    const rest = more.length > 0 && texts.some(text => text.includes(first.node)) ? ` (and ${more.length} more)` : ''
    return texts.map(text => `${text}${rest}`)
  })
}

/** What to do about one node that cannot announce. */
function adviceOnNode(refusal: NodeRefusal, namespace: string): readonly string[] {
  const { node } = refusal
  switch (refusal.kind) {
    case 'noNode':
      return [`The Node ${node} was deleted; let its kubelet register again, or take the machine away.`]
    case 'notSelected':
      return [`Widen nodeSelectors: kubectl -n ${namespace} edit ${refusal.by.toLowerCase()}, or label nodes.`]
    case 'excludedByLabel':
      return [`Let the node take part: kubectl label node ${node} ${refusal.label}-`]
    case 'networkUnavailable':
      return [`The CNI has not set up ${node}'s network: kubectl describe node ${node}`]
    case 'noSpeaker':
      return [`See why no speaker runs there, often a taint: kubectl -n ${namespace} get daemonsets,pods -o wide`]
    case 'speakerGone':
    case 'speakerUnheard':
      return [
        `Is ${node} up, does it reach the API server? kubectl -n ${namespace} get leases; kubectl get node ${node}`,
      ]
    case 'speakerLeaving':
      return [`The speaker of ${node} is being restarted or removed: wait, or look at its Pod.`]
    case 'noInterface':
      return ['Name interfaces that the nodes have in spec.interfaces of the L2Advertisement, or leave it out.']
    case 'noCarrier':
      return [`Look at the link of ${node}: ${refusal.interfaces.join(', ')}.`]
    case 'noLocalEndpoint':
      return ['Let a Pod run on such a node, or set externalTrafficPolicy: Cluster.']
    case 'otherNetwork':
      return []
    case 'noPeer':
      return ['Widen nodeSelectors of a BGPPeer, or apply one for these nodes.']
    case 'otherFamily':
      return ['Set dualStackAddressFamily: true on the BGPPeer, or add one of the other family.']
  }
}

/** Each text once, and no more than people read. */
function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].slice(0, 5)
}
