import type { Namespace } from '../lab/namespace.ts'

/** An address with its prefix length, the network that it is in, and the interface that has both. */
export interface VrfMember {
  readonly interface: string
  readonly address: string
  readonly network: string
}

const table = '10'

/**
 * Puts an interface into a VRF: from then on its network is reached by who is bound to the VRF's device, and by nobody else.
 * A kernel without VRFs gets what one is made of: a device of its own, and rules that look in a table of its own for what
 * comes and goes by it. Whoever binds to the device sees no difference; neighbours on the link are met on the interface in
 * a VRF, and on that device here. Answers with the name of whichever it is.
 */
export async function moveIntoVrf(namespace: Namespace, name: string, member: VrfMember): Promise<string> {
  const ip = (...args: readonly string[]): Promise<string> => namespace.run(['ip', ...args])
  // A second try of a test finds what the first has made.
  const { stdout: before } = await namespace.exec(['ip', '-details', 'link', 'show', name])
  if (before !== '') return before.includes(' vrf ') ? member.interface : name
  const { code } = await namespace.exec(['ip', 'link', 'add', name, 'type', 'vrf', 'table', table])
  if (code === 0) {
    await ip('link', 'set', name, 'up')
    await ip('link', 'set', member.interface, 'master', name)
    return member.interface
  }
  await ip('link', 'add', name, 'type', 'bridge')
  await ip('addr', 'del', member.address, 'dev', member.interface)
  await ip('link', 'set', member.interface, 'master', name)
  await ip('link', 'set', name, 'up')
  await ip('addr', 'add', member.address, 'dev', name, 'noprefixroute')
  await ip('route', 'add', member.network, 'dev', name, 'table', table)
  await ip('rule', 'add', 'oif', name, 'lookup', table)
  await ip('rule', 'add', 'iif', name, 'lookup', table)
  return name
}
