import { formatAddress, parseAddress } from '../../net/address.ts'
import { type AddressRange, contains, formatRange, overlaps, parseRange } from '../../net/range.ts'
import { excludeLabel } from '../../speaker/advertisements.ts'
import { formatRefusal } from '../../speaker/refusal.ts'
import { ownServices } from '../status.ts'
import { counted } from '../words.ts'
import type { Facts } from './facts.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'
import { few } from './words.ts'

/** Which nodes Kubernetes keeps load balancers away from. */
export function checkExcludedNodes({ picture, nodes }: Facts): Finding {
  const excluded = nodes.filter(({ name }) => picture.snapshot.nodes.get(name)?.excluded)
  if (excluded.length === 0) return ok('ExcludedNodes', `No node is labelled ${excludeLabel}.`)
  const names = few(excluded.map(({ name }) => name))
  const remove = `kubectl label node ${excluded.length === nodes.length ? '--all' : (excluded[0]?.name ?? '')} ${excludeLabel}-`
  if (excluded.length === nodes.length) {
    const kubeadm = excluded.some(({ isControlPlane }) => isControlPlane)
      ? ' kubeadm labels nodes of the control plane so.'
      : ''
    const what = `Every node (${names}) is labelled ${excludeLabel}: nobody may announce anything.${kubeadm}`
    return fail('ExcludedNodes', what, remove)
  }
  const rest = nodes.length - excluded.length
  if (rest === 1) {
    const what = `${names} labelled ${excludeLabel} announce nothing; of the one node that is left nobody could take over.`
    return warn('ExcludedNodes', what, `Where they are to carry traffic: ${remove}`)
  }
  return ok('ExcludedNodes', `${names} labelled ${excludeLabel}: announced is by the other ${rest}.`)
}

/** Whether the pools' addresses are nobody else's, as far as Kubernetes knows. */
export function checkPools(facts: Facts): readonly Finding[] {
  return [...apart(facts), ...advertised(facts), ...configuration(facts)]
}

interface Foreign {
  readonly what: string
  readonly range: AddressRange
}

function apart({ picture, nodes, serviceCIDRs }: Facts): readonly Finding[] {
  const { snapshot } = picture
  const foreign: readonly Foreign[] = [
    ...[...snapshot.nodes.values()].flatMap(({ name, internalIPs }) =>
      internalIPs.flatMap(text => rangeOf(text, `the address ${text} of node ${name}`)),
    ),
    ...nodes.flatMap(({ name, podCIDRs }) =>
      podCIDRs.flatMap(text => rangeOf(text, `${text}, the pods of node ${name}`)),
    ),
    ...(serviceCIDRs.known ? serviceCIDRs.value : []).flatMap(text =>
      rangeOf(text, `${text}, the cluster IPs of Services`),
    ),
  ]
  const findings = snapshot.resolved.config.pools.flatMap(({ name, ranges }) => {
    const met = foreign.filter(({ range }) => ranges.some(own => overlaps(own, range)))
    if (met.length === 0) return []
    const rest = met.length > 3 ? ` and ${met.length - 3} more` : ''
    const what = `IPAddressPool ${name} (${few(ranges.map(formatRange))}) holds ${met
      .slice(0, 3)
      .map(one => one.what)
      .join('; ')}${rest}.`
    const todo = `Leave them out of the pool: kubectl -n ${snapshot.namespace} edit ipaddresspool ${name}`
    return [fail('PoolsApart', what, todo)]
  })
  const unseen = serviceCIDRs.known
    ? []
    : [unknown('PoolsApart', `whether a pool holds cluster IPs of Services: ${serviceCIDRs.why}`)]
  if (findings.length + unseen.length > 0) return [...findings, ...unseen]
  return [
    ok(
      'PoolsApart',
      'No pool holds addresses of nodes, pods or cluster IPs. What pods have that no Node names cannot be seen.',
    ),
  ]
}

function rangeOf(text: string, what: string): readonly Foreign[] {
  const address = parseAddress(text)
  const range = parseRange(address ? `${formatAddress(address)}-${formatAddress(address)}` : text)
  return 'problem' in range ? [] : [{ what, range }]
}

function advertised({ picture }: Facts): readonly Finding[] {
  const { snapshot } = picture
  const { pools, layer2Advertisements, bgpAdvertisements } = snapshot.resolved.config
  if (pools.length === 0) {
    const what = 'There is no IPAddressPool that is in use: no Service can get an address.'
    return [warn('PoolsAdvertised', what, 'Apply one; README.md has the first.')]
  }
  const all = [...layer2Advertisements, ...bgpAdvertisements]
  const silent = pools.filter(({ name }) => !all.some(one => one.pools.kind === 'all' || one.pools.pools.has(name)))
  const findings = silent.map(({ name, ranges }) => {
    const users = ownServices(picture).filter(({ ingress }) =>
      ingress.some(one => one.kind === 'address' && ranges.some(range => contains(range, one.address))),
    )
    const what = `No L2Advertisement and no BGPAdvertisement speaks for IPAddressPool ${name}: its addresses reach nobody`
    const todo = `Apply an L2Advertisement or a BGPAdvertisement with ipAddressPools: [${name}] in namespace ${snapshot.namespace}.`
    return users.length > 0
      ? fail(
          'PoolsAdvertised',
          `${what}, and ${counted(users.length, 'Service')} ${users.length === 1 ? 'has' : 'have'} one.`,
          todo,
        )
      : warn('PoolsAdvertised', `${what}.`, todo)
  })
  const isBgp = bgpAdvertisements.length > 0 && snapshot.resolved.config.bgpPeers.length === 0
  const noPeer = warn(
    'PoolsAdvertised',
    'There are BGPAdvertisements and no BGPPeer: no router is told.',
    'Apply one; docs/bgp.md has the first.',
  )
  if (findings.length > 0 || isBgp) return [...findings, ...(isBgp ? [noPeer] : [])]
  return [ok('PoolsAdvertised', 'An advertisement speaks for every pool.')]
}

function configuration({ picture }: Facts): readonly Finding[] {
  const bad = picture.snapshot.resolved.verdicts.filter(({ ready }) => !ready)
  if (bad.length === 0) return [ok('Configuration', 'Every object of the configuration is in use as written.')]
  return bad.map(({ kind, name, reason, message }) =>
    warn('Configuration', `${kind} ${name} is not in use as written (${reason}): ${message}`),
  )
}

/** Services that ask for their clients' addresses to be kept, and that no node can serve for that. */
export function checkLocalEndpoints({ picture }: Facts): readonly Finding[] {
  const local = ownServices(picture).filter(
    ({ externalTrafficPolicy, ingress }) => externalTrafficPolicy === 'Local' && ingress.length > 0,
  )
  const findings = local.flatMap(service => {
    const endpoints = picture.endpointsOf(service)
    const look = `kubectl -n ${service.namespace} get endpointslices -l kubernetes.io/service-name=${service.name}`
    const head = `Service ${service.key} has externalTrafficPolicy Local`
    if (endpoints.usable === 0)
      return [warn('LocalEndpoints', `${head} and no endpoint that is ready: it is announced by nobody.`, look)]
    const view = picture.layer2Of(service)
    const isByBgp = picture.routingOf(service)?.kind === 'announced'
    if (isByBgp || view?.kind !== 'refused' || view.refusal.kind !== 'NoEligibleNode') return []
    const todo = 'Let its Pods run on such nodes, or set externalTrafficPolicy: Cluster.'
    return [
      warn(
        'LocalEndpoints',
        `${head}, and its endpoints are where nobody may announce it: ${formatRefusal(view.refusal)}.`,
        todo,
      ),
    ]
  })
  if (findings.length === 0) {
    return [
      ok('LocalEndpoints', 'Every Service with externalTrafficPolicy Local has endpoints where it may be announced.'),
    ]
  }
  const shown = findings.slice(0, 10)
  const more = findings.length - shown.length
  return more > 0 ? [...shown, warn('LocalEndpoints', `And ${more} more Services like these.`)] : shown
}
