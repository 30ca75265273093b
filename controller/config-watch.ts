import type { Logger } from 'pino'
import {
  parseBFDProfile,
  parseBGPAdvertisement,
  parseBGPPeer,
  parseCommunityResource,
  parseIPAddressPool,
  parseL2Advertisement,
} from '../crds/parse.ts'
import type { ParsedIPAddressPool, ParsedResource } from '../crds/parsed.ts'
import { type ResolvedConfig, resolveConfig } from '../crds/resolve.ts'
import type { Labels } from '../crds/selector.ts'
import { createStore, type Store } from '../kube/store.ts'
import type { Transport } from '../kube/transport.ts'
import { type Task, type WatchHealth, watchResource } from '../kube/watch.ts'
import { bookOf, type PoolBook } from './pool-choice.ts'

/** Everything that admins write, kept current. */
export interface ConfigWatch {
  readonly tasks: readonly (Task & { readonly health: () => WatchHealth })[]
  /** What stands there now, resolved; worked out anew only after a change. */
  resolved(): ResolvedConfig
  /** The pools of it, as the desk wants them. */
  book(): PoolBook
  /** The object of a verdict as it is stored now. */
  find(kind: string, key: string): ParsedResource<unknown> | undefined
}

export interface ConfigWatchOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly log: Logger
  /** What admins wrote has changed (not only a status of it). */
  readonly onChange: () => void
}

export function watchConfig({ transport, namespace, log, onChange }: ConfigWatchOptions): ConfigWatch {
  const tasks: (Task & { readonly health: () => WatchHealth })[] = []
  const stores = new Map<string, { get(key: string): ParsedResource<unknown> | undefined }>()
  let resolved: ResolvedConfig | undefined

  function watch<T extends ParsedResource<unknown>>(
    kind: string,
    plural: string,
    parse: (object: unknown) => T | undefined,
  ): Store<T> {
    const store = createStore<T>()
    store.subscribe(({ before, after }) => {
      resolved = undefined
      if (!before || !after || before.generation !== after.generation || !sameLabels(before.labels, after.labels))
        onChange()
    })
    const path = `/apis/berth.dev/v1beta1/namespaces/${namespace}/${plural}`
    tasks.push(watchResource({ transport, path, parse, store, log }))
    stores.set(kind, store)
    return store
  }

  const ipAddressPools: Store<ParsedIPAddressPool> = watch('IPAddressPool', 'ipaddresspools', parseIPAddressPool)
  const l2Advertisements = watch('L2Advertisement', 'l2advertisements', parseL2Advertisement)
  const bgpAdvertisements = watch('BGPAdvertisement', 'bgpadvertisements', parseBGPAdvertisement)
  const bgpPeers = watch('BGPPeer', 'bgppeers', parseBGPPeer)
  const bfdProfiles = watch('BFDProfile', 'bfdprofiles', parseBFDProfile)
  const communities = watch('Community', 'communities', parseCommunityResource)

  function current(): ResolvedConfig {
    resolved ??= resolveConfig(
      {
        ipAddressPools: ipAddressPools.values(),
        l2Advertisements: l2Advertisements.values(),
        bgpAdvertisements: bgpAdvertisements.values(),
        bgpPeers: bgpPeers.values(),
        bfdProfiles: bfdProfiles.values(),
        communities: communities.values(),
      },
      { namespace },
    )
    return resolved
  }

  return {
    tasks,
    resolved: current,
    book: () => bookOf(current()),
    find: (kind, key) => stores.get(kind)?.get(key),
  }
}

function sameLabels(one: Labels, other: Labels): boolean {
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every(key => one[key] === other[key])
}
