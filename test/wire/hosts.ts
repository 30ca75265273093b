import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import type { WireCommand, WireReport } from '../../speaker/wire/messages.ts'
import type { Namespace, World } from '../lab/namespace.ts'
import type { FromWireProcess, ToWireProcess } from './wire-process.ts'

/** Two hosts and a cable: the node, on which wire runs, and a client. */
export interface TwoHosts {
  readonly node: Namespace
  readonly client: Namespace
}

/** The node's and the client's interface are both called eth0, with addresses and MACs that a test can count on. */
export const nodeMac = '02:00:00:00:00:01'
export const clientMac = '02:00:00:00:00:02'

/** Makes both hosts, joined by a veth pair. IPv6 addresses are usable at once (no Duplicate Address Detection). */
export async function createTwoHosts(world: World): Promise<TwoHosts> {
  const [node, client] = [await world.createNamespace(), await world.createNamespace()]
  await plug({ node, client }, 'eth0', nodeMac, clientMac)
  await node.run(['ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0'])
  await client.run(['ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0'])
  await node.run(['ip', 'addr', 'add', '2001:db8:0:2::1/64', 'dev', 'eth0', 'nodad'])
  await client.run(['ip', 'addr', 'add', '2001:db8:0:2::2/64', 'dev', 'eth0', 'nodad'])
  return { node, client }
}

/** Joins both hosts by one more cable, with the same name at either end. */
export async function plug(hosts: TwoHosts, name: string, nodeEnd: string, clientEnd: string): Promise<void> {
  const { node, client } = hosts
  const peer = ['peer', 'name', name, 'address', clientEnd, 'netns', String(client.pid)]
  await client.run(['sh', '-c', 'for f in default all; do echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done'])
  await node.run(['sh', '-c', 'for f in default all; do echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done'])
  await node.run(['ip', 'link', 'add', name, 'address', nodeEnd, 'type', 'veth', ...peer])
  await node.run(['ip', 'link', 'set', name, 'up'])
  await client.run(['ip', 'link', 'set', name, 'up'])
}

/** Wire in a process of its own inside a namespace. */
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

export async function startWireProcess(inside: Namespace): Promise<WireProcess> {
  await buildRawsock()
  const child = inside.spawn([process.execPath, join(import.meta.dirname, 'wire-process.ts')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
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
