import { startSpeaker } from '../lab/berth.ts'
import type { Endpoint } from '../lab/endpoints.ts'
import type { LabNode } from '../lab/node.ts'
import { forgetNeighbours, type Requests, startRequests, urlOf, whoHas } from '../lab/probe.ts'
import type { Narrator } from './narrator.ts'
import { apply, inTime, kubectl, onHost, onStage, type Stage, type StoryOptions, until } from './stage.ts'
import { createService, describeService, letGo, poolIsReady, startBerthPrograms, stay } from './steps.ts'

/** The whole demo; whatever it started has ended when it returns or throws. */
export async function tellStory(narrator: Narrator, options: StoryOptions): Promise<void> {
  narrator.say('Berth: a Service of type LoadBalancer gets an address, and a client on the network reaches it.')
  narrator.say(
    'Everything here is real and lives in network namespaces; it ends with this program (Ctrl-C at any time).',
  )
  narrator.step('A cluster: Kubernetes’ own API server, three nodes with kube-proxy, and a client')
  await onStage(narrator, options, async stage => {
    await showCluster(stage)
    await startBerthPrograms(stage)
    await declareAddresses(stage)
    const endpoints = await createService(stage, 'web.yaml')
    const announced = async (): Promise<boolean> => (await announcers(stage)).some(node => node !== '')
    const { ipv4, ipv6 } = await describeService(stage, announced)
    await askSegment(stage, [ipv4, ipv6])
    await stopSpeaker(stage, ipv4)
    await losePower(stage, ipv4, endpoints)
    await showState(stage)
    if (options.stay) await stay(stage, stage.lab.client, ipv4)
    else await letGo(stage)
  })
}

async function showCluster(stage: Stage): Promise<void> {
  const { narrator, lab } = stage
  await kubectl(stage, ['get', 'nodes', '-o', 'wide'])
  narrator.command('ip -brief address show dev eth0', 'client')
  narrator.output(await lab.client.namespace.run(['ip', '-brief', 'address', 'show', 'dev', lab.client.interface]))
  narrator.done('The cluster is up. It has no load balancer yet')
}

async function declareAddresses(stage: Stage): Promise<void> {
  const { narrator } = stage
  narrator.step('An admin declares what may be handed out, and that it is announced')
  await apply(stage, 'pool.yaml')
  await poolIsReady(stage)
  narrator.done('The pool is ready')
}

async function askSegment(stage: Stage, addresses: readonly string[]): Promise<void> {
  const { narrator, lab } = stage
  narrator.step('A client on the same network asks who has the address, and gets an answer')
  for (const address of addresses) {
    await until(stage, `somebody answers for ${address}`, async () => (await whoHas(lab.client, address)).length > 0)
    await forgetNeighbours(lab.client)
    const argv = address.includes(':')
      ? ['ndisc6', address, lab.client.interface]
      : ['arping', '-c', '1', '-I', lab.client.interface, address]
    await onHost(stage, lab.client, argv)
    const node = await nodeThatHas(stage, address)
    narrator.say(`That link-layer address is ${node?.name ?? 'nobody'}’s.`)
    for (let request = 0; request < 3; request++) await onHost(stage, lab.client, ['curl', '-s', urlOf(address)])
  }
  narrator.done('One node answers for the address, and kube-proxy takes the connection to any of the pods')
}

async function stopSpeaker(stage: Stage, address: string): Promise<void> {
  const { narrator, lab, programs } = stage
  const owner = await ownerOf(stage, address)
  narrator.step('A speaker is upgraded: it hands its addresses over before it leaves')
  const requests = startRequests(lab.client, urlOf(address), { everyMs: 20, timeoutMs: 5000 })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const speaker = programs.find(({ name }) => name === `speaker on ${owner.name}`)
  if (speaker === undefined) throw new Error(`${owner.name} has no speaker.`)
  narrator.say('The client sends 50 requests a second while the speaker stops.')
  narrator.command(`kill -TERM ${speaker.pid}`, owner.name)
  await inTime(stage, `the speaker on ${owner.name} ends`, speaker.stop())
  await until(stage, 'another node has taken over', async () => {
    const [mac] = await whoHas(lab.client, address)
    return mac !== undefined && mac !== owner.mac
  })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const { sent, answered, slowestMs } = await requests.stop()
  narrator.say(`${(await ownerOf(stage, address)).name} answers for ${address} now.`)
  narrator.say(`Requests sent: ${sent}. Lost: ${sent - answered}. The slowest took ${Math.round(slowestMs)} ms.`)
  const again = await startSpeaker(lab, owner)
  programs.splice(programs.indexOf(speaker), 1, again)
  narrator.done('Handed over. The speaker is started again, and takes nothing back: nobody has to wait twice')
}

async function losePower(stage: Stage, address: string, endpoints: readonly Endpoint[]): Promise<void> {
  const { narrator, lab, programs } = stage
  const owner = await ownerOf(stage, address)
  narrator.step(`${owner.name}, which announces the address, loses power`)
  const requests = startRequests(lab.client, urlOf(address), { everyMs: 20, timeoutMs: 500 })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const cutMs = performance.now()
  const gone = programs.findIndex(({ name }) => name === `speaker on ${owner.name}`)
  programs.splice(gone, 1)
  await owner.powerOff()
  narrator.say('Both cables dead and all its processes gone, without a word to anybody.')
  narrator.say('Its pod is taken out of the EndpointSlices at once, which Kubernetes would do some 40 s later.')
  await endpoints.find(({ node }) => node === owner)?.setReady(false)
  const waited = (): string => `the client waits … ${((performance.now() - cutMs) / 1000).toFixed(1)} s`
  await narrator.meanwhile(inTime(stage, 'another node takes over', untilAnswered(requests)), waited)
  const { longestSilenceMs } = await requests.stop()
  narrator.say(`The client got no answer for ${(longestSilenceMs / 1000).toFixed(1)} s.`)
  await onHost(stage, lab.client, ['arping', '-c', '1', '-I', lab.client.interface, address])
  narrator.done(`${(await ownerOf(stage, address)).name} has taken over`)
}

async function untilAnswered(requests: Requests): Promise<void> {
  await requests.answered(25)
}

async function showState(stage: Stage): Promise<void> {
  stage.narrator.step('What an admin sees')
  await kubectl(stage, ['get', 'ipaddresspools', '--all-namespaces'])
  await kubectl(stage, ['get', 'servicel2statuses', '--all-namespaces'])
  await kubectl(stage, [
    'get',
    'events',
    '--field-selector=involvedObject.kind=Service',
    '--sort-by=.metadata.creationTimestamp',
  ])
}

async function announcers(stage: Stage): Promise<string[]> {
  const args = ['get', 'servicel2statuses', '--all-namespaces', '-o', 'jsonpath={.items[*].status.node}']
  return (await stage.lab.controlPlane.kubectl(args)).split(' ')
}

async function nodeThatHas(stage: Stage, address: string): Promise<LabNode | undefined> {
  const [mac] = await whoHas(stage.lab.client, address)
  return stage.lab.nodes.find(node => node.mac === mac)
}

async function ownerOf(stage: Stage, address: string): Promise<LabNode> {
  const node = await nodeThatHas(stage, address)
  if (node === undefined) throw new Error(`No node answers for ${address}.`)
  return node
}
