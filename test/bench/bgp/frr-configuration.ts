import { announcerAs, routerAs } from './stations.ts'

/** The lines that make FRR announce these routes to these routers, and itself as fast as it can be. */
export function frrConfiguration(options: {
  readonly routerId: string
  readonly peers: readonly string[]
  readonly routes: readonly string[]
  /** Of every session. */
  readonly bfdProfile?: string
}): readonly string[] {
  const { routerId, peers, routes, bfdProfile } = options
  const session = [
    `remote-as ${routerAs}`,
    'timers 30 90',
    'timers connect 1',
    ...(bfdProfile ? [`bfd profile ${bfdProfile}`] : []),
  ]
  return [
    'frr defaults traditional',
    `router bgp ${announcerAs}`,
    ` bgp router-id ${routerId}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ...peers.flatMap(peer => session.map(line => ` neighbor ${peer} ${line}`)),
    ' address-family ipv4 unicast',
    ...routes.map(route => `  network ${route}`),
    ' exit-address-family',
  ]
}

/** A profile by the name of `fast`: 50 ms × 3. No `exit`: daemons that know no BFD would take it for the end of the file. */
export const fastProfile = {
  name: 'fast',
  intervalMs: 50,
  multiplier: 3,
  lines: ['bfd', ' profile fast', '  transmit-interval 50', '  receive-interval 50', '  detect-multiplier 3'],
} as const

const capabilities = '-all,+net_admin,+net_raw,+sys_admin,+net_bind_service'

/**
 * What stands before a daemon of FRR: it becomes its user here and not by itself, since the kernel forgets that a process
 * is to die with its parent when it becomes another user.
 */
export const asItsUser: readonly string[] = [
  'setpriv',
  '--reuid=frr',
  '--regid=frr',
  '--init-groups',
  `--inh-caps=${capabilities}`,
  `--ambient-caps=${capabilities}`,
  '--pdeathsig=KILL',
  '--',
]
