import type { SpeakerHealth } from './status.ts'
import { member } from './test-values.ts'

/** What a speaker says of itself that has nothing to complain of, and of BGP knows nothing. */
export const well: SpeakerHealth = {
  node: 'node-1',
  interfacesKnown: true,
  synced: true,
  joined: true,
  cutOff: false,
  fence: { withheld: false, pauses: 2 },
  leaving: false,
  leaseRenewedAtMs: Number.NEGATIVE_INFINITY,
  members: new Map([
    ['node-1', member('node-1')],
    ['node-2', member('node-2', { liveness: 'gone' })],
  ]),
  watches: [
    {
      resource: 'services',
      neededBy: 'both',
      hasSynced: true,
      state: 'watching',
      lastHeardMs: 1,
      lists: 2,
      watches: 3,
      failures: 4,
      failuresInARow: 0,
      unreadableObjects: 0,
      listenerErrors: 0,
      lastError: undefined,
    },
  ],
  writesWaiting: 1,
  writesRunning: 2,
  eventsDropped: 0,
  reconciler: {
    runs: 7,
    lastRunMs: 5,
    wokenAtMs: undefined,
    services: 2,
    groups: 2,
    owned: 1,
    refused: new Map([['NoUsableEndpoints', 1]]),
  },
  wire: new Map([
    ['192.0.2.1', { told: 'all', announcedOn: ['eth0'] }],
    ['192.0.2.2', { told: 'all', announcedOn: undefined }],
  ]),
  servicesOf: address => (address === '192.0.2.1' ? ['shop/web', 'shop/api'] : ['shop/slow']),
  totals: new Map(),
  conflicts: 3,
  addressesOf: () => [],
  router: { runs: 3, lastRunMs: 1, wokenAtMs: undefined },
  routing: { node: 'node-1', peers: [], plan: undefined },
  bfdCounters: undefined,
  recordsWaiting: 0,
}
