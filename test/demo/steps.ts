/** The steps that the stories have in common. */
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { binary } from '../control-plane/binaries.ts'
import { berthNamespace, type Program, startController, startSpeaker } from '../lab/berth.ts'
import type { Endpoint } from '../lab/endpoints.ts'
import type { LabHost } from '../lab/node.ts'
import { urlOf } from '../lab/probe.ts'
import { apply, kubectl, type Stage, until } from './stage.ts'

/** Starts the controller, and a speaker on every node. */
export async function startBerthPrograms(stage: Stage): Promise<void> {
  const { narrator, lab, programs } = stage
  narrator.step('Berth: one controller, and a speaker on every node')
  await kubectl(stage, ['create', 'namespace', berthNamespace])
  const start = (program: Program, where?: string): void => {
    programs.push(program)
    narrator.command(program.commandLine.replaceAll(/\/\S+\//g, '…/'), where)
  }
  start(await startController(lab))
  for (const node of lab.nodes) start(await startSpeaker(lab, node), node.name)
  const leases = ['-n', berthNamespace, 'get', 'leases']
  await until(stage, 'the speakers hold their Leases', async () => {
    const names = await lab.controlPlane.kubectl([...leases, '-o', 'name'])
    return lab.nodes.every(node => names.includes(node.name))
  })
  narrator.say()
  narrator.say('Each speaker holds one Lease, whatever the number of Services: so they know of each other.')
  await kubectl(stage, leases)
  narrator.done('Berth runs')
}

/** Waits for the pool that was applied, and shows it. */
export async function poolIsReady(stage: Stage): Promise<void> {
  await until(stage, 'the pool is ready', async () => {
    const condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    const args = ['-n', berthNamespace, 'get', 'ipaddresspool', 'public', '-o', condition]
    return (await stage.lab.controlPlane.kubectl(args)) === 'True'
  })
  await kubectl(stage, ['-n', berthNamespace, 'get', 'ipaddresspools'])
}

/** Applies the Service and puts a server behind it on every node; resolves when it has its addresses. */
export async function createService(stage: Stage, manifest: string): Promise<Endpoint[]> {
  const { narrator, lab } = stage
  narrator.step('An app team asks for an address, by the type of its Service')
  await apply(stage, manifest)
  await until(stage, 'the Service has its addresses', async () => (await ingressOf(stage)).length === 2)
  await kubectl(stage, ['get', 'service', 'web'])
  const endpoints: Endpoint[] = []
  for (const node of lab.nodes) endpoints.push(await lab.deployEndpoint('default/web', node, 8080))
  narrator.say()
  narrator.say('In place of pods, a web server starts on each node. It says on which one it runs.')
  await kubectl(stage, ['get', 'endpointslices'])
  narrator.done('The Service has an address of each family')
  return endpoints
}

/** Shows what kubectl says of the Service, once it is announced; answers with its addresses. */
export async function describeService(
  stage: Stage,
  announced: () => Promise<boolean>,
): Promise<{ ipv4: string; ipv6: string }> {
  const { narrator, lab } = stage
  narrator.step('The Service tells what happened to it')
  const describe = ['describe', 'service', 'web']
  // Events never hold up the work: they come a moment later.
  await until(stage, 'the speakers have said that they announce', announced)
  await until(stage, 'there are Events', async () => {
    return !(await lab.controlPlane.kubectl(describe)).includes('Events:                   <none>')
  })
  await delay(500, undefined, { signal: stage.signal })
  await kubectl(stage, describe)
  const addresses = await ingressOf(stage)
  narrator.done('Why it has these addresses, from which pool, and who announces them: it is all there')
  return {
    ipv4: addresses.find(address => !address.includes(':')) ?? '',
    ipv6: addresses.find(address => address.includes(':')) ?? '',
  }
}

/** Deletes the Service. */
export async function letGo(stage: Stage): Promise<void> {
  const { narrator } = stage
  narrator.step('The Service is deleted, and its addresses are free again')
  await kubectl(stage, ['delete', 'service', 'web'])
  const free = ['-n', berthNamespace, 'get', 'ipaddresspools']
  await until(stage, 'the addresses are free', async () => {
    const condition = ['-o', 'jsonpath={.items[0].status.assignedIPv4}{.items[0].status.assignedIPv6}']
    return (await stage.lab.controlPlane.kubectl([...free, ...condition])) === '00'
  })
  await kubectl(stage, free)
}

/** Keeps everything running until the story is interrupted. */
export async function stay(stage: Stage, client: LabHost, address: string): Promise<void> {
  const { narrator, lab, signal } = stage
  narrator.step('It keeps running; look around from a second terminal')
  narrator.command(`export KUBECONFIG=${await lab.controlPlane.kubeconfig()}`)
  narrator.command(`export PATH=${dirname(await binary('kubectl'))}:$PATH`)
  narrator.command('kubectl explain ipaddresspool.spec')
  narrator.command(`${client.namespace.enterCommand.join(' ')} curl ${urlOf(address)}`)
  narrator.say()
  narrator.say(`The logs are in ${lab.directory}. Ctrl-C ends it all.`)
  await once(signal, 'abort')
}

async function ingressOf(stage: Stage): Promise<string[]> {
  const jsonpath = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
  const text = await stage.lab.controlPlane.kubectl(['get', 'service', 'web', '-o', jsonpath])
  return text.split(' ').filter(address => address !== '')
}
