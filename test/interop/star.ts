import type { World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'

/** A machine with a cable to each of several others: on the k-th (from 1) it is 10.0.k.1, and the other 10.0.k.2. */
export interface Star {
  readonly centre: LabHost
  readonly around: readonly LabHost[]
}

export async function createStar(world: World, count: number): Promise<Star> {
  const centre = await createHost(world, 'centre', '')
  const around: LabHost[] = []
  for (let ordinal = 1; ordinal <= count; ordinal++) {
    const host = await createHost(world, `host-${ordinal}`, `10.0.${ordinal}.2`)
    const cable = `eth${ordinal}`
    const far = ['peer', 'name', 'eth0', 'netns', String(host.namespace.pid)]
    await centre.namespace.run(['ip', 'link', 'add', cable, 'type', 'veth', ...far])
    await centre.namespace.run(['ip', 'addr', 'add', `10.0.${ordinal}.1/24`, 'dev', cable])
    await centre.namespace.run(['ip', 'link', 'set', cable, 'up'])
    await host.namespace.run(['ip', 'addr', 'add', `${host.ipv4}/24`, 'dev', 'eth0'])
    await host.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    around.push(host)
  }
  return { centre, around }
}

async function createHost(world: World, name: string, ipv4: string): Promise<LabHost> {
  const namespace = await world.createNamespace()
  const { exec, spawn } = namespace
  return { name, namespace, interface: 'eth0', mac: '', ipv4, ipv6: '', exec, spawn }
}
