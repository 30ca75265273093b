import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Address, parseAddress } from '../../net/address.ts'
import { type AddressPrefix, parseRange, toPrefixes } from '../../net/range.ts'
import type { BfdSessionSettings, BfdSessionStatus } from '../../speaker/bfd/messages.ts'
import type { Notification } from '../../speaker/bgp/notification.ts'
import type { Route } from '../../speaker/bgp/route.ts'
import type { ConfiguredPeer, PeerSettings } from '../../speaker/bgp/settings.ts'
import type { Farewell } from '../../speaker/bgp/speaker.ts'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import type { FromBerthProcess, ToBerthProcess } from './berth-process.ts'

/** Berth's BGP in a process of its own on a host. */
export interface BerthProcess {
  /** Changes what is said of a peer or to it, and leaves the rest as it was. */
  configure(peers: readonly ConfiguredPeer[], routes?: Readonly<Record<string, readonly Route[]>>): void
  reset(peer: string, reason: Notification): void
  /** The host's addresses are others now. */
  refreshNextHops(): void
  /** Watches peers by BFD; a session bears the name of its peer. */
  watch(...sessions: readonly BfdSessionSettings[]): void
  bfd(): Promise<readonly BfdSessionStatus[]>
  state(): Promise<readonly PeerStatus[]>
  stop(farewell: Farewell): Promise<void>
  /** As a crash or a power cut of the process: no last words. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
}

export async function startBerth(host: LabHost): Promise<BerthProcess> {
  const child: ChildProcess = host.spawn([process.execPath, join(import.meta.dirname, 'berth-process.ts')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const post = (message: ToBerthProcess): void => void child.send(message)
  const answer = async (): Promise<FromBerthProcess> => (await once(child, 'message'))[0] as FromBerthProcess
  await answer()
  const ask = async (): Promise<Extract<FromBerthProcess, { kind: 'state' }>> => {
    const state = answer()
    post({ kind: 'state' })
    const message = await state
    if (message.kind !== 'state') throw new Error('no state')
    return message
  }
  return {
    configure: (peers, routes = {}) => post({ kind: 'configure', peers, routes: new Map(Object.entries(routes)) }),
    refreshNextHops: () => post({ kind: 'refreshNextHops' }),
    reset: (peer, reason) => post({ kind: 'reset', peer, reason }),
    watch: (...sessions) => post({ kind: 'bfd', sessions }),
    bfd: async () => (await ask()).bfd,
    state: async () => (await ask()).peers,
    async stop(farewell) {
      const closed = once(child, 'close')
      post({ kind: 'stop', farewell })
      await closed
    },
    kill: () => kill(child),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  }
}

/** The address that the text names. */
export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(`not an address: ${text}`)
  return parsed
}

/** The prefix that the text names. */
export function prefix(text: string): AddressPrefix {
  const range = parseRange(text)
  const [only] = 'problem' in range ? [] : toPrefixes(range)
  if (!only) throw new Error(`not a prefix: ${text}`)
  return only
}

/** A route of which nothing is said but what is given. */
export function route(text: string, more: Partial<Route> = {}): Route {
  return {
    prefix: prefix(text),
    localPref: undefined,
    multiExitDisc: undefined,
    prepend: 0,
    communities: [],
    largeCommunities: [],
    linkBandwidth: undefined,
    ...more,
  }
}

/** A peer by the name of `router` at 192.0.2.2, of another AS, with everything at its most ordinary. */
export function peer(more: Partial<PeerSettings> = {}): PeerSettings {
  return {
    name: 'router',
    localAs: 64512,
    peerAs: 64513,
    bgpIdentifier: 0xc0000201,
    holdTimeSeconds: 9,
    keepaliveTimeSeconds: undefined,
    families: ['IPv4', 'IPv6'],
    extendedNextHop: false,
    gracefulRestart: undefined,
    direction: 'active',
    connectRetryTimeSeconds: 2,
    remote: { address: address('192.0.2.2') },
    port: 179,
    sourceAddress: undefined,
    device: undefined,
    ttl: undefined,
    minimumTtl: undefined,
    password: undefined,
    nextHops: {},
    ...more,
  }
}
