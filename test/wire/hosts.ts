import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import type { WireCommand, WireReport } from '../../speaker/wire/messages.ts'
import type { World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import type { FromWireProcess, ToWireProcess } from './wire-process.ts'

/** Two machines and a cable: the node, on which wire runs, and a client. */
export interface TwoHosts {
  readonly node: LabHost
  readonly client: LabHost
}

/** Makes both, joined by a veth pair whose ends are both called eth0. IPv6 addresses are usable at once. */
export async function createTwoHosts(world: World): Promise<TwoHosts> {
  const hosts = {
    node: await createHost(world, 'node', 1),
    client: await createHost(world, 'client', 2),
  }
  await plug(hosts, 'eth0', hosts.node.mac, hosts.client.mac)
  for (const { namespace, ipv4, ipv6 } of [hosts.node, hosts.client]) {
    await namespace.run(['ip', 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0'])
    await namespace.run(['ip', 'addr', 'add', `${ipv6}/64`, 'dev', 'eth0'])
  }
  return hosts
}

async function createHost(world: World, name: string, ordinal: number): Promise<LabHost> {
  const namespace = await world.createNamespace()
  // No Duplicate Address Detection of a second or two before an address can be used.
  await namespace.run(['sysctl', '-q', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'])
  return {
    name,
    namespace,
    interface: 'eth0',
    mac: `02:00:00:00:00:0${ordinal}`,
    ipv4: `192.0.2.${ordinal}`,
    ipv6: `2001:db8:0:2::${ordinal}`,
    exec: namespace.exec,
    spawn: namespace.spawn,
  }
}

/** Joins both hosts by one more cable, with the same name at either end. */
export async function plug(hosts: TwoHosts, name: string, nodeEnd: string, clientEnd: string): Promise<void> {
  const node = hosts.node.namespace
  const client = hosts.client.namespace
  const peer = ['peer', 'name', name, 'address', clientEnd, 'netns', String(client.pid)]
  await node.run(['ip', 'link', 'add', name, 'address', nodeEnd, 'type', 'veth', ...peer])
  await client.run(['ip', 'link', 'set', name, 'up'])
  await node.run(['ip', 'link', 'set', name, 'up'])
}

/** Wire in a process of its own on a host. */
export interface WireProcess {
  readonly child: ChildProcess
  /** Everything reported so far. */
  readonly reports: readonly WireReport[]
  readonly exits: readonly string[]
  send(command: WireCommand): void
  /** Keeps its main thread from doing anything else; resolves when that is over. */
  block(ms: number): Promise<void>
  /** Waits until the condition holds of the reports; fails with what was reported instead. */
  until<T>(what: string, condition: (reports: readonly WireReport[]) => T | undefined | false): Promise<T>
  stop(): Promise<void>
}

export async function startWireProcess(host: LabHost): Promise<WireProcess> {
  await buildRawsock()
  const child = host.spawn([process.execPath, join(import.meta.dirname, 'wire-process.ts')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // As between threads: keys are octets.
    serialization: 'advanced',
  })
  const reports: WireReport[] = []
  const exits: string[] = []
  const listeners = new Set<() => void>()
  child.on('message', (message: FromWireProcess) => {
    if (message.kind === 'report') reports.push(message.report)
    if (message.kind === 'exit') exits.push(message.message)
    for (const listener of listeners) listener()
  })
  const post = (message: ToWireProcess): void => void child.send(message)
  const wire: WireProcess = {
    child,
    reports,
    exits,
    send: command => post({ kind: 'command', command }),
    async block(ms) {
      const ended = new Promise<void>(resolve => {
        const listen = (message: FromWireProcess): void => {
          if (message.kind !== 'blocked') return
          child.off('message', listen)
          resolve()
        }
        child.on('message', listen)
      })
      post({ kind: 'block', ms })
      await ended
    },
    async until(what, condition) {
      return await new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          listeners.delete(look)
          reject(new Error(`${what}: not within 10 s; reported: ${JSON.stringify(reports.slice(-20))} ${exits.join()}`))
        }, 10_000)
        const look = (): void => {
          const found = condition(reports)
          if (found === undefined || found === false) return
          clearTimeout(late)
          listeners.delete(look)
          resolve(found)
        }
        listeners.add(look)
        look()
      })
    },
    async stop() {
      const closed = once(child, 'close')
      post({ kind: 'stop' })
      await closed
    },
  }
  await wire.until('wire sees the interfaces', all => all.some(({ kind }) => kind === 'interfaces'))
  return wire
}
