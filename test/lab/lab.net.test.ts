import { existsSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import type { Endpoint } from './endpoints.ts'
import { type Lab, startLab } from './lab.ts'
import { talk, urlOf, whoHas } from './probe.ts'
import { whyNoLab } from './tools.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

const addresses = { IPv4: '192.0.2.200', IPv6: '2001:db8:0:2::200' } as const

describe.skipIf(obstacle !== undefined)('a lab', () => {
  let controlPlane: ControlPlane
  beforeAll(async () => {
    controlPlane = await startControlPlane({ crds: false, progress: console.warn })
  })
  afterAll(() => controlPlane?.stop())

  for (const kubeProxyMode of ['nftables', 'iptables'] as const) {
    describe(`with kube-proxy in ${kubeProxyMode} mode`, () => {
      const service = `web-${kubeProxyMode}`
      let lab: Lab
      beforeAll(async () => {
        lab = await startLab({ nodes: 2, kubeProxyMode, controlPlane })
        const input = JSON.stringify(dualStackService(service))
        await controlPlane.kubectl(['apply', '-f', '-'], { input })
        const ingress = Object.values(addresses).map(ip => ({ ip }))
        const patch = JSON.stringify({ status: { loadBalancer: { ingress } } })
        await controlPlane.kubectl(['patch', 'service', service, '--subresource=status', '--type=merge', '-p', patch])
        // Nobody announces the addresses here: the client is told that they are at the first node.
        for (const address of Object.values(addresses)) {
          const { client, nodes } = lab
          const entry = ['lladdr', nodes[0]?.mac ?? '', 'dev', client.interface, 'nud', 'permanent']
          await client.namespace.run(['ip', 'neigh', 'replace', address, ...entry])
        }
      })
      afterAll(async () => {
        await lab?.stop()
        await controlPlane.kubectl(['delete', 'service', service])
      })

      it('lets a client reach endpoints on both nodes through kube-proxy, by IPv4 and by IPv6', async () => {
        await endpointOn(lab, service, 0)
        await endpointOn(lab, service, 1)
        for (const address of Object.values(addresses)) {
          await vi.waitFor(async () => expect((await fewAnswers(lab, address)).size).toBe(2), patience)
        }
      })

      it('follows endpoints that are not ready any more, or ready again', async () => {
        const [first, second] = [await endpointOn(lab, service, 0), await endpointOn(lab, service, 1)]
        await first.setReady(false)
        for (const address of Object.values(addresses)) {
          await vi.waitFor(async () => expect(await fewAnswers(lab, address)).toEqual(new Set(['node-2'])), patience)
        }
        await first.setReady(true)
        await second.terminate()
        for (const address of Object.values(addresses)) {
          await vi.waitFor(async () => expect(await fewAnswers(lab, address)).toEqual(new Set(['node-1'])), patience)
        }
      })

      it('carries TCP, UDP and SCTP ports of one Service', async () => {
        await endpointOn(lab, service, 1)
        for (const address of Object.values(addresses)) {
          for (const [protocol, port] of [
            ['tcp', 80],
            ['udp', 53],
            ['sctp', 2905],
          ] as const) {
            const ask = async (): Promise<string | undefined> =>
              await talk(lab.client, protocol, address, port, protocol)
            await vi.waitFor(async () => expect(await ask()).toBe(`node-2 ${protocol}`), patience)
          }
        }
      })

      it('goes silent when the segment is cut, with or without carrier, and not when management is', async () => {
        const [node] = lab.nodes
        if (node === undefined) throw new Error('no node')
        await endpointOn(lab, service, 0)
        for (const address of Object.values(addresses)) {
          await vi.waitFor(async () => expect(await fewAnswers(lab, address)).toEqual(new Set(['node-1'])), patience)
          await node.cutManagement()
          expect(await fewAnswers(lab, address)).toEqual(new Set(['node-1']))
          await node.healManagement()
          for (const how of ['unplugged', 'silent'] as const) {
            await node.cutSegment(how)
            expect(await fewAnswers(lab, address)).toEqual(new Set())
            expect(await whoHas(lab.client, address.includes(':') ? node.ipv6 : node.ipv4)).toEqual([])
            await node.healSegment()
            await vi.waitFor(async () => expect(await fewAnswers(lab, address)).toEqual(new Set(['node-1'])), patience)
          }
        }
      })
    })
  }

  it('reaches the API server from a node until its management cable is cut, or the relay is paused', async () => {
    await using lab = await startLab({ nodes: 2, controlPlane })
    const [one, other] = lab.nodes
    const reaches = async (node = one): Promise<boolean> => {
      const url = 'https://198.51.100.1:6443/version'
      return (await node?.exec(['curl', '-sk', '-m', '1', '-o', '/dev/null', url]))?.code === 0
    }
    expect(await reaches()).toBe(true)
    await one?.cutManagement()
    expect([await reaches(one), await reaches(other)]).toEqual([false, true])
    await one?.healManagement()
    await vi.waitFor(async () => expect(await reaches()).toBe(true), patience)
    lab.apiRelay.pause()
    expect(await reaches()).toBe(false)
    lab.apiRelay.resume()
    expect(await reaches()).toBe(true)
  })

  it('takes all processes of a node that loses power, and only those', async () => {
    await using lab = await startLab({ nodes: 2, controlPlane })
    const [one, other] = lab.nodes
    const processes = lab.nodes.map(node => node.spawn(['sleep', '1000']))
    await one?.powerOff()
    expect(processes.map(process => process.signalCode)).toEqual(['SIGKILL', null])
    expect(await whoHas(lab.client, one?.ipv4 ?? '')).toEqual([])
    expect(await whoHas(lab.client, other?.ipv4 ?? '')).toEqual([other?.mac])
    await one?.powerOn()
    await vi.waitFor(async () => expect(await whoHas(lab.client, one?.ipv4 ?? '')).toEqual([one?.mac]), patience)
  })

  it('leaves no process, no namespace and no folder when it stops', async () => {
    const lab = await startLab({ nodes: 2, controlPlane })
    const hosts = [lab.client, ...lab.nodes, lab.segment]
    const mine = new Set(await Promise.all(hosts.map(({ namespace }) => readlink(namespace.path))))
    const inMine = async (): Promise<string[]> => (await namespacesInUse()).filter(namespace => mine.has(namespace))
    expect(existsSync(lab.directory)).toBe(true)
    expect(new Set(await inMine())).toEqual(mine)
    await lab.stop()
    expect(existsSync(lab.directory)).toBe(false)
    // What a helper had started is killed by the kernel, which takes a moment to take it off its list.
    await expect.poll(inMine, patience).toEqual([])
  })

  it('stops what it had started when the start is given up', async () => {
    const giveUp = new AbortController()
    const progress = (line: string): void => {
      if (line.startsWith('Starting')) giveUp.abort(new Error('enough'))
    }
    const children = await childrenOfThisProcess()
    await expect(startLab({ nodes: 2, controlPlane, progress, signal: giveUp.signal })).rejects.toThrow('enough')
    expect(await childrenOfThisProcess()).toEqual(children)
  })
})

const patience = { timeout: 15_000, interval: 100 }

function dualStackService(name: string): object {
  const ports = [
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'm3ua', protocol: 'SCTP', port: 2905 },
  ]
  const spec = { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack', ports }
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }
}

async function endpointOn(lab: Lab, service: string, index: number): Promise<Endpoint> {
  const node = lab.nodes[index]
  if (node === undefined) throw new Error(`no node ${index}`)
  const endpoint = await lab.deployEndpoint(service, node, 8080)
  onTestFinished(() => endpoint.remove())
  return endpoint
}

/** The nodes that answer a few requests, one after the other. */
async function fewAnswers(lab: Lab, address: string): Promise<Set<string>> {
  const answered = new Set<string>()
  for (let count = 0; count < 8; count++) {
    const { stdout } = await lab.client.exec(['curl', '-s', '-m', '0.5', urlOf(address)])
    const [node] = stdout.split(' ')
    if (node === undefined || node === '') return answered
    answered.add(node)
  }
  return answered
}

/** The network namespace of every process that one may look at. */
async function namespacesInUse(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  return await Promise.all(pids.map(pid => readlink(`/proc/${pid}/ns/net`).catch(() => '')))
}

async function childrenOfThisProcess(): Promise<string> {
  return await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')
}
