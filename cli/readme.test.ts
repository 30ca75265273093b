import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import {
  condition,
  controllerLease,
  namespace,
  nowMs,
  pool,
  record,
  secondsAgo,
  service,
  session,
  slice,
  speakerLease,
  world,
} from '../test/cli/world.ts'
import { explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { readManifests } from './manifests.ts'
import { plain } from './paint.ts'
import { peersText, peerViews } from './peers.ts'
import { pictureOf } from './picture.ts'
import { poolsText, poolViews } from './pools.ts'
import { statusOf } from './status.ts'
import { statusText } from './status-text.ts'
import { validate } from './validate.ts'
import { validationText } from './validate-text.ts'

/*
 * What the README shows of kubectl berth: one small cluster, whose third node has lost its power, through the eyes of each
 * command. test/docs/cli.test.ts holds the README to what comes out.
 */

const golden = join(import.meta.dirname, '../test/cli/golden/readme.txt')
const narrow = { wide: false }

function cluster() {
  const bothFamilies = {
    spec: { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4', 'IPv6'], clusterIPs: ['10.0.0.1', 'fd00::1'] },
  }
  const addresses = ['192.0.2.100', '2001:db8:0:2::100']
  const web = service('web', {
    ...bothFamilies,
    ingress: addresses,
    conditions: [
      condition('berth.dev/Allocated', 'True', 'Allocated', `${addresses.join(' and ')} from pool "public".`),
      condition('berth.dev/Announced', 'True', 'Announced', 'layer 2: announcing it from node node-1'),
    ],
  })
  const late = service('late', { annotations: { 'berth.dev/address-pool': 'bank' } })
  const interfaces = ['eth0', 'eth1'].map((name, index) => ({
    name,
    mac: `02:00:00:00:0${index}:01`,
    carrier: true,
    subnets: ['192.0.2.0/24', '2001:db8:0:2::/64'],
  }))
  const leases = [
    controllerLease(),
    speakerLease('node-1', { interfaces }, secondsAgo(1)),
    speakerLease('node-2', { interfaces }, secondsAgo(2)),
    speakerLease('node-3', { interfaces }, secondsAgo(34)),
  ]
  const ofWeb = record('web', 'node-1', addresses[0] ?? '', { because: 'ownerUnheard', from: 'node-3' }) as {
    readonly status: object
  }
  return world({
    services: [web, late],
    endpointSlices: [slice('web', 'node-1', 'node-1', 'node-2', 'node-2')],
    leases,
    ipAddressPools: [
      pool('public', ['192.0.2.100-192.0.2.199', '2001:db8:0:2::100/120']),
      pool('bank', ['198.51.100.0/28'], { serviceAllocation: { namespaces: ['bank'] } }),
    ],
    layer2Records: [
      {
        ...ofWeb,
        status: {
          ...ofWeb.status,
          addresses,
          interfaces: interfaces.map(({ name }) => ({ name })),
          since: secondsAgo(24),
        },
      },
    ],
  })
}

test('the README shows what each command says of one cluster', async () => {
  const picture = pictureOf(cluster(), undefined)
  const web = picture.snapshot.services.get('shop/web')
  if (!web) throw new Error('no shop/web')
  const sessions = world({
    sessionRecords: [
      session('node-1', 'r1', { bfdState: 'Up' }),
      session('node-2', 'r1', {
        state: 'Active',
        bfdState: 'Down',
        since: secondsAgo(40),
        lastError: 'connection refused',
        prefixesSent: { total: 0 },
        prefixesReceived: { total: 0 },
      }),
    ],
  })
  const file = relative(process.cwd(), join(import.meta.dirname, '../test/cli/manifests/bad/pools.yaml'))
  const { files, manifests, unreadable } = await readManifests([file])
  const validation = validate(manifests, unreadable, { namespace, files })
  const said: Readonly<Record<string, string>> = {
    status: statusText(statusOf(picture), plain, narrow),
    'explain service shop/web': explanationText(explainService(picture, web), plain),
    pools: poolsText(poolViews(picture), plain, narrow),
    peers: peersText(peerViews(pictureOf(sessions, undefined)), nowMs, plain, narrow),
    'validate -f config/': validationText(validation, plain).replaceAll(file, 'config/pools.yaml'),
  }
  const shown = Object.entries(said).map(([command, text]) => `$ kubectl berth ${command}\n${text}`)
  await expect(shown.join('\n')).toMatchFileSnapshot(golden)
})
