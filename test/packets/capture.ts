/**
 * Makes the capture files anew: `node test/packets/capture.ts` as root. Everything in them was sent by Linux or by a
 * known tool, nothing by Berth. README.md says what each file holds.
 */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createWorld, type Namespace } from '../lab/namespace.ts'
import { createTwoHosts, type TwoHosts } from '../wire/hosts.ts'
import { encodeCapture } from './pcap.ts'

/** What the captures show, and how it was brought about. */
const stories: Readonly<Record<string, { filter: string; tell: (hosts: TwoHosts) => Promise<void> }>> = {
  'arp-resolution.pcap': {
    filter: 'arp',
    async tell({ client }) {
      await talk(client.namespace, '192.0.2.1')
      // The entry is doubted: Linux asks the neighbour itself, by unicast.
      await client.namespace.run([
        'ip',
        'neigh',
        'change',
        '192.0.2.1',
        'lladdr',
        '02:00:00:00:00:01',
        'nud',
        'probe',
        'dev',
        'eth0',
      ])
    },
  },
  'arp-arping.pcap': {
    filter: 'arp',
    async tell({ client }) {
      await client.exec(['arping', '-D', '-c', '1', '-w', '1', '-I', 'eth0', '192.0.2.1'])
      await client.exec(['arping', '-U', '-c', '1', '-w', '1', '-I', 'eth0', '192.0.2.2'])
      await client.exec(['arping', '-A', '-c', '1', '-w', '1', '-I', 'eth0', '192.0.2.2'])
      await client.exec(['arping', '-c', '2', '-w', '3', '-I', 'eth0', '192.0.2.1'])
    },
  },
  'arp-notify.pcap': {
    filter: 'arp',
    async tell({ client }) {
      await client.namespace.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_notify'])
      await client.namespace.run(['ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:22'])
    },
  },
  'ndp-resolution.pcap': {
    filter: 'icmp6 and (ip6[40] = 135 or ip6[40] = 136)',
    async tell({ client }) {
      await talk(client.namespace, '2001:db8:0:2::1')
      await client.namespace.run([
        'ip',
        'neigh',
        'change',
        '2001:db8:0:2::1',
        'lladdr',
        '02:00:00:00:00:01',
        'nud',
        'probe',
        'dev',
        'eth0',
      ])
    },
  },
  'ndp-ndisc6.pcap': {
    filter: 'icmp6 and (ip6[40] = 135 or ip6[40] = 136)',
    tell: async ({ client }) => void (await client.exec(['ndisc6', '-1', '2001:db8:0:2::1', 'eth0'])),
  },
  'ndp-dad.pcap': {
    filter: 'icmp6 and (ip6[40] = 135 or ip6[40] = 136)',
    async tell({ client }) {
      await client.namespace.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad'])
      await client.namespace.run(['ip', 'addr', 'add', '2001:db8:0:2::1/64', 'dev', 'eth0'])
    },
  },
  'ndp-notify.pcap': {
    filter: 'icmp6 and (ip6[40] = 135 or ip6[40] = 136)',
    async tell({ client }) {
      await client.namespace.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/ndisc_notify'])
      await client.namespace.run(['ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:22'])
    },
  },
}

const world = await createWorld()
try {
  for (const [name, { filter, tell }] of Object.entries(stories)) {
    const hosts = await createTwoHosts(world)
    await delay(2_500) // what the links themselves have to say is over
    const file = join(import.meta.dirname, name)
    const argv = ['tcpdump', '--immediate-mode', '-U', '-p', '-n', '-i', 'eth0', '-w', file, '-Z', 'root', filter]
    const tcpdump = hosts.node.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] })
    if (tcpdump.stderr) await once(tcpdump.stderr, 'data')
    await tell(hosts)
    await delay(1_500)
    const ended = once(tcpdump, 'close')
    tcpdump.kill('SIGTERM')
    await ended
  }
  const { node } = await createTwoHosts(world)
  const recorder = node.spawn([process.execPath, join(import.meta.dirname, 'record-netlink.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  recorder.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  await delay(1_000)
  await node.namespace.run(['ip', 'link', 'add', 'br0', 'type', 'bridge'])
  await node.namespace.run(['ip', 'link', 'set', 'eth0', 'master', 'br0'])
  await node.namespace.run(['ip', 'link', 'set', 'eth0', 'nomaster'])
  await node.namespace.run(['ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth0'])
  await node.namespace.run(['ip', 'addr', 'del', '198.51.100.1/24', 'dev', 'eth0'])
  await node.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
  await node.namespace.run(['ip', 'link', 'del', 'br0'])
  await delay(500)
  const ended = once(recorder, 'close')
  recorder.stdin?.end()
  await ended
  const datagrams = Buffer.concat(chunks)
    .toString()
    .split('\n')
    .filter(line => line.length > 0)
  await writeFile(
    join(import.meta.dirname, 'netlink-story.pcap'),
    encodeCapture(
      147,
      datagrams.map(line => Buffer.from(line, 'hex')),
    ),
  )
} finally {
  await world.end()
}

/** Sends one datagram, which makes the kernel resolve the address. */
async function talk(from: Namespace, address: string): Promise<void> {
  const script = `const s=require('dgram').createSocket('udp${address.includes(':') ? 6 : 4}');s.send('x',9,'${address}',()=>s.close())`
  await from.run([process.execPath, '-e', script])
  await delay(200)
}
