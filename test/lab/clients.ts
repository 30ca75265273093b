import type { Lab } from './lab.ts'
import type { LabHost } from './node.ts'

/** One more machine on the segment, with a hardware address of its own; `index` from 0, below 50. */
export async function addClient(lab: Lab, index: number): Promise<LabHost> {
  const namespace = await lab.world.createNamespace()
  const name = `client-${index}`
  const mac = `02:00:00:00:10:${index.toString(16).padStart(2, '0')}`
  const [ipv4, ipv6] = [`192.0.2.${200 + index}`, `2001:db8:0:2::${(0x1000 + index).toString(16)}`]
  await lab.segment.attach(namespace, {
    port: name,
    interface: 'eth0',
    mac,
    addresses: [`${ipv4}/24`, `${ipv6}/64`],
  })
  return { name, namespace, interface: 'eth0', mac, ipv4, ipv6, exec: namespace.exec, spawn: namespace.spawn }
}
