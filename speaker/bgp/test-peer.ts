import type { BGPPeer } from '../../crds/config.ts'

/** A BGPPeer as one is read that says no more than whom to dial, in which AS; for tests. */
export function plainPeer(name: string, options: Partial<BGPPeer> = {}): BGPPeer {
  return {
    name,
    myASN: 64512,
    peerASN: 64513,
    localASN: undefined,
    peerAddress: { kind: 'address', address: '192.0.2.1' },
    peerPort: 179,
    sourceAddress: undefined,
    holdTimeSeconds: undefined,
    keepaliveTimeSeconds: undefined,
    connectTimeSeconds: undefined,
    routerID: undefined,
    nodeSelectors: [],
    password: undefined,
    passwordSecretName: undefined,
    bfdProfile: undefined,
    enableGracefulRestart: false,
    ebgpMultiHop: false,
    ttlSecurity: false,
    passive: false,
    vrf: undefined,
    dualStackAddressFamily: false,
    ...options,
  }
}
