import type { ConfigKind } from './config.ts'

/*
 * The fields of `spec` of each kind that admins write, for those who have no schema at hand: by their paths, what lists hold
 * under the path of the list. spec-fields.test.ts keeps them what the schemas say.
 */

/** By kind, the paths of all fields. */
export const specFields: Readonly<Record<ConfigKind, readonly string[]>> = {
  IPAddressPool: [
    'addresses',
    'autoAssign',
    'avoidBuggyIPs',
    'avoidConflicts',
    'serviceAllocation',
    'serviceAllocation.priority',
    'serviceAllocation.namespaces',
    ...selector('serviceAllocation.namespaceSelectors'),
    ...selector('serviceAllocation.serviceSelectors'),
  ],
  L2Advertisement: [
    'ipAddressPools',
    ...selector('ipAddressPoolSelectors'),
    ...selector('nodeSelectors'),
    ...selector('serviceSelectors'),
    'interfaces',
    'preferredNodeSelectors',
    'preferredNodeSelectors.weight',
    ...selector('preferredNodeSelectors.preference'),
    'loadSharing',
  ],
  BGPAdvertisement: [
    'aggregationLength',
    'aggregationLengthV6',
    'localPref',
    'med',
    'asPathPrepend',
    'weightByEndpoints',
    'addressFamilies',
    'communities',
    'ipAddressPools',
    ...selector('ipAddressPoolSelectors'),
    ...selector('nodeSelectors'),
    'peers',
    ...selector('serviceSelectors'),
  ],
  BGPPeer: [
    'myASN',
    'peerASN',
    'dynamicASN',
    'localASN',
    'peerAddress',
    'interface',
    'sourceAddress',
    'peerPort',
    'holdTime',
    'keepaliveTime',
    'connectTime',
    'routerID',
    ...selector('nodeSelectors'),
    'password',
    'passwordSecret',
    'passwordSecret.name',
    'passwordSecret.namespace',
    'bfdProfile',
    'enableGracefulRestart',
    'ebgpMultiHop',
    'ttlSecurity',
    'passive',
    'vrf',
    'disableMP',
    'dualStackAddressFamily',
  ],
  BFDProfile: [
    'receiveInterval',
    'transmitInterval',
    'detectMultiplier',
    'echoInterval',
    'echoMode',
    'passiveMode',
    'minimumTtl',
  ],
  Community: ['communities', 'communities.name', 'communities.value'],
}

function selector(path: string): readonly string[] {
  const expressions = `${path}.matchExpressions`
  const parts = ['key', 'operator', 'values'].map(name => `${expressions}.${name}`)
  return [path, `${path}.matchLabels`, expressions, ...parts]
}
