import type { Lab } from '../../lab/lab.ts'
import type { LabHost } from '../../lab/node.ts'

/** Who stands on the segment, besides the node that announces (192.0.2.11). */
export const addresses = {
  node: '192.0.2.11',
  /** The router whose table counts. */
  router: '192.0.2.2',
  /** Notes when what arrives. */
  witness: '192.0.2.3',
  /** One more router. */
  second: '192.0.2.4',
  /** Another node, on which FRR announces. */
  frrNode: '192.0.2.12',
} as const

/** Announcers are of the one AS, routers of the other. */
export const announcerAs = 64512
export const routerAs = 64513

/** One more machine on the lab's segment; `cut` drops all its packets from one moment to the next, and it sees no link go. */
export interface Station extends LabHost {
  cut(): void
  heal(): void
}

export async function addStation(lab: Lab, name: string, ipv4: string): Promise<Station> {
  const namespace = await lab.world.createNamespace()
  const number = Number(ipv4.split('.').at(-1))
  const mac = `00:00:5e:00:53:b${number.toString(16)}`
  const ipv6 = `2001:db8:0:2::${number}`
  await lab.segment.attach(namespace, { port: name, interface: 'eth0', mac, addresses: [`${ipv4}/24`, `${ipv6}/64`] })
  // Runs already when the moment comes: to start a program takes as long as some of the detection.
  const bridge = lab.segment.namespace.spawn(['bridge', '-force', '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const setState = (state: string): void => void bridge.stdin?.write(`link set dev ${name} state ${state}\n`)
  return {
    name,
    namespace,
    interface: 'eth0',
    mac,
    ipv4,
    ipv6,
    exec: namespace.exec,
    spawn: namespace.spawn,
    cut: () => setState('disabled'),
    heal: () => setState('forwarding'),
  }
}
