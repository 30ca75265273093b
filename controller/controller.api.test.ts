import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { fieldOf, listOf } from '../kube/json.ts'
import {
  type ControllerProcess,
  type OwnCluster,
  poolsPath,
  servicesPath,
  startCluster,
  startController,
  until,
} from './test-cluster.ts'
import { createOddServices } from './test-odd-services.ts'

let cluster: OwnCluster
const running = new Set<ControllerProcess>()

beforeAll(async () => {
  cluster = await startCluster()
})

afterAll(async () => await cluster?.stop())

afterEach(async () => {
  for (const controller of running) {
    const exit = await controller.end('SIGTERM')
    running.delete(controller)
    if (exit !== 0 || controller.noise.length > 0)
      throw new Error(`the controller ended with ${exit}: ${controller.noise.join('\n')}`)
  }
  await cluster.clear()
})

async function start(...flags: string[]): Promise<ControllerProcess> {
  const controller = startController(cluster.kubeconfig, flags)
  running.add(controller)
  await controller.logged('took over what is assigned')
  return controller
}

/** Creates or edits a pool and waits until the controller has judged it as it is now. */
async function pool(name: string, spec: object): Promise<void> {
  await cluster.pool(name, spec)
  await until(async () => {
    const object = await cluster.transport.request<unknown>({ method: 'GET', path: `${poolsPath}/${name}` })
    const [ready] = listOf(fieldOf(fieldOf(object, 'status'), 'conditions'))
    const generation = fieldOf(fieldOf(object, 'metadata'), 'generation')
    return fieldOf(ready, 'observedGeneration') === generation || undefined
  }, `the pool ${name} is judged`)
}

/** Waits until the Service shows these addresses. */
async function shows(name: string, addresses: string): Promise<void> {
  let seen = ''
  const look = async (): Promise<true | undefined> => {
    seen = await cluster.addressesOf(name)
    return seen === addresses || undefined
  }
  await until(look, `${name} shows "${addresses}"`).catch((error: unknown) => {
    throw new Error(`${name} shows "${seen}", not "${addresses}"`, { cause: error })
  })
}

/** Waits until the condition Allocated has the reason, and returns its message. */
function refused(name: string, reason: string): Promise<string> {
  return until(async () => {
    const condition = (await cluster.get(name)).conditions.find(one => one.type === 'berth.dev/Allocated')
    return condition?.reason === reason ? condition.message : undefined
  }, `${name} has the reason ${reason}`)
}

const dual = { ipFamilyPolicy: 'PreferDualStack' }

describe('a Service', () => {
  it('that has waited longest gets what a new pool has, also where others are made in the same moment', async () => {
    await start()
    await cluster.service('old')
    await refused('old', 'NoPools')
    // Who is older is told by whole seconds.
    const { creationTimestampMs } = await cluster.get('old')
    await until(async () => Date.now() >= creationTimestampMs + 1_000 || undefined, 'the next second')
    const made = cluster.pool('a', { addresses: ['192.0.2.0/32'] })
    // Events of Services all around that of the pool.
    const younger = Array.from({ length: 40 }, (_, index) => `young-${index}`)
    for (const name of younger) await cluster.service(name)
    await made
    await shows('old', '192.0.2.0')
  })

  it('gets its address, its note, its condition and its Event, and keeps what others wrote', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/29'] })
    await cluster.service('web')
    await shows('web', '192.0.2.0')
    const web = await cluster.get('web')
    expect(web.allocatedFromPool).toBe('a')
    expect(web.conditions).toMatchObject([{ type: 'berth.dev/Allocated', status: 'True', reason: 'Allocated' }])
    await until(async () => ((await cluster.eventsOf('web')).length > 0 ? true : undefined), 'an Event')
    expect(await cluster.eventsOf('web')).toEqual(['IPAllocated: 192.0.2.0 from pool "a".'])
    expect(await cluster.controlPlane.kubectl(['describe', 'service', 'web'])).toContain('IPAllocated')

    const announced = {
      type: 'berth.dev/Announced',
      status: 'True',
      reason: 'Announced',
      message: 'x',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    await cluster.patchStatus('web', { conditions: [announced, { ...announced, type: 'example.com/Other' }] })
    await until(async () => {
      const object = await cluster.transport.request<unknown>({ method: 'GET', path: `${servicesPath}/web` })
      const types = listOf(fieldOf(fieldOf(object, 'status'), 'conditions')).map(one => fieldOf(one, 'type'))
      return types.length === 3 || undefined
    }, 'our condition comes back beside the two of others')
    expect(await cluster.addressesOf('web')).toBe('192.0.2.0')
  })

  it('that waits is told why by every pool, and gets the first address that is freed', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/32'] })
    await pool('b', { addresses: ['198.51.100.0/30'], serviceAllocation: { namespaces: ['shop'] } })
    await cluster.service('first')
    await shows('first', '192.0.2.0')
    await cluster.service('second')
    const message = await refused('second', 'PoolsExhausted')
    expect(message).toContain('Pool "a" has no IPv4 address left (1 of 1 in use)')
    expect(message).toContain('Pool "b" is only for namespaces shop, not for "default"')
    await cluster.remove(`${servicesPath}/first`)
    await shows('second', '192.0.2.0')
  })

  it('that stops being a load balancer frees its address for the next', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/32'] })
    await cluster.service('first')
    await shows('first', '192.0.2.0')
    await cluster.service('second')
    await refused('second', 'PoolsExhausted')
    await cluster.patch('first', { spec: { type: 'ClusterIP', allocateLoadBalancerNodePorts: null } })
    await shows('second', '192.0.2.0')
    await shows('first', '')
    const first = await until(async () => {
      const one = await cluster.get('first')
      return one.conditions.length === 0 ? one : undefined
    }, 'the marks are gone')
    expect(first.allocatedFromPool).toBeUndefined()
  })

  it('goes from one family to two and back, and its first address never moves', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/29', '2001:db8::/125'] })
    await cluster.service('web')
    await shows('web', '192.0.2.0')
    await cluster.patch('web', { spec: dual })
    await shows('web', '192.0.2.0 2001:db8::')
    await cluster.patch('web', { spec: { ipFamilyPolicy: 'RequireDualStack' } })
    await cluster.patch('web', { spec: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] } })
    await shows('web', '192.0.2.0')
  })

  it('shares an address by key, and a sharer that comes into conflict leaves it', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/29'] })
    const key = { 'metallb.universe.tf/allow-shared-ip': 'k' }
    await cluster.service('tcp', { ports: [{ port: 53, protocol: 'TCP' }] }, key)
    await shows('tcp', '192.0.2.0')
    await cluster.service('udp', { ports: [{ port: 53, protocol: 'UDP' }] }, key)
    await shows('udp', '192.0.2.0')
    await cluster.service('alone', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.0' })
    expect(await refused('alone', 'AddressInUse')).toContain('allow-shared-ip')
    await cluster.patch('udp', {
      spec: {
        ports: [
          { port: 53, protocol: 'UDP' },
          { port: 54, protocol: 'UDP', name: 'b' },
        ].map((port, at) => ({ name: `p${at}`, ...port })),
      },
    })
    await cluster.patch('udp', { metadata: { annotations: { 'metallb.universe.tf/allow-shared-ip': 'other' } } })
    await shows('udp', '192.0.2.1')
    await shows('tcp', '192.0.2.0')
  })

  it('of another class is left alone', async () => {
    await start('--load-balancer-class', 'berth.dev/mine')
    await pool('a', { addresses: ['192.0.2.0/29'] })
    await cluster.service('theirs')
    await cluster.service('mine', { loadBalancerClass: 'berth.dev/mine' })
    await shows('mine', '192.0.2.0')
    expect((await cluster.get('theirs')).conditions).toEqual([])
  })
})

describe('an edit of a pool', () => {
  it('takes only the addresses that it must, says so, and gives others', async () => {
    await start()
    await pool('a', { addresses: ['192.0.2.0/30'] })
    for (const name of ['one', 'two', 'three'])
      await cluster.service(
        name,
        {},
        { 'berth.dev/loadBalancerIPs': `192.0.2.${['one', 'two', 'three'].indexOf(name)}` },
      )
    await shows('three', '192.0.2.2')
    for (const name of ['one', 'two', 'three'])
      await cluster.patch(name, { metadata: { annotations: { 'berth.dev/loadBalancerIPs': null } } })
    await shows('one', '192.0.2.0')
    await pool('a', { addresses: ['192.0.2.2/31', '192.0.2.1/32', '198.51.100.0/30'] })
    await shows('one', '192.0.2.3')
    expect(await refused('one', 'Reassigned')).toContain(
      '192.0.2.0 was taken back: spec.addresses of pool "a" no longer contains it',
    )
    expect([await cluster.addressesOf('two'), await cluster.addressesOf('three')]).toEqual(['192.0.2.1', '192.0.2.2'])
    await until(
      async () =>
        (await cluster.eventsOf('one')).some(text => text.startsWith('AddressLost: 192.0.2.0')) ? true : undefined,
      'the Event',
    )
  })

  it('that overlaps an older pool is set aside, costs nobody an address and is told in its status', async () => {
    await start()
    await pool('older', { addresses: ['192.0.2.0/30'] })
    await cluster.service('web')
    await shows('web', '192.0.2.0')
    await pool('younger', { addresses: ['192.0.2.0/29'] })
    const table = await until(async () => {
      const text = await cluster.controlPlane.kubectl(['get', 'ipaddresspools', '-n', 'berth-system'])
      return /younger.*False/.test(text) && /older.*\b1 +3 +True/.test(text) ? text : undefined
    }, 'the table of pools')
    expect(table).toContain('OverlappingPool')
    expect(await cluster.addressesOf('web')).toBe('192.0.2.0')
  })

  it('opens to a namespace when that gets the label', async () => {
    await start()
    await pool('a', {
      addresses: ['192.0.2.0/30'],
      serviceAllocation: { namespaceSelectors: [{ matchLabels: { team: 'x' } }] },
    })
    await cluster.service('web')
    expect(await refused('web', 'NoPoolAdmits')).toContain('(there are none)')
    await cluster.controlPlane.kubectl(['label', 'namespace', 'default', 'team=x'])
    await shows('web', '192.0.2.0')
    await cluster.controlPlane.kubectl(['label', 'namespace', 'default', 'team-'])
    await shows('web', '')
  })
})

describe('a controller that starts', () => {
  it('takes over what is assigned before it assigns, and settles what is assigned twice', async () => {
    await cluster.pool('a', { addresses: ['192.0.2.0/29'] })
    for (const name of ['pending', 'kept', 'doubled']) await cluster.service(name)
    await cluster.patchStatus('kept', { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } })
    await cluster.patchStatus('doubled', { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } })
    const older = [await cluster.get('kept'), await cluster.get('doubled')].toSorted(
      (one, other) => one.creationTimestampMs - other.creationTimestampMs || (one.uid < other.uid ? -1 : 1),
    )[0]
    await start()
    await until(async () => {
      const shown = await Promise.all(['pending', 'kept', 'doubled'].map(name => cluster.addressesOf(name)))
      return (!shown.includes('') && new Set(shown).size === 3) || undefined
    }, 'each has an address of its own')
    expect(await cluster.addressesOf(older?.name ?? '')).toBe('192.0.2.0')
    const loser = older?.name === 'kept' ? 'doubled' : 'kept'
    expect(await refused(loser, 'Reassigned')).toContain(`192.0.2.0 is held by Service default/${older?.name}`)
  })

  it('writes nothing where all is as it was', async () => {
    const first = await start()
    await pool('a', { addresses: ['192.0.2.0/29', '2001:db8::/125'] })
    for (const name of ['a', 'b', 'c']) await cluster.service(name, dual)
    for (const name of ['a', 'b', 'c'])
      await until(async () => ((await cluster.get(name)).ingress.length === 2 ? true : undefined), `${name} has two`)
    const before = await Promise.all(['a', 'b', 'c'].map(name => cluster.get(name)))
    await first.end('SIGTERM')
    const second = await start()
    await cluster.service('d')
    await until(async () => ((await cluster.addressesOf('d')) === '' ? undefined : true), 'd has an address')
    expect(await Promise.all(['a', 'b', 'c'].map(name => cluster.get(name)))).toEqual(before)
    expect(second.log.filter(line => line.service !== undefined && line.service !== 'default/d')).toEqual([])
  })

  it('stands by while another leads and takes over at once when that one leaves', async () => {
    const first = await start()
    const second = startController(cluster.kubeconfig)
    running.add(second)
    await second.logged('started')
    await pool('a', { addresses: ['192.0.2.0/29'] })
    await cluster.service('one')
    await shows('one', '192.0.2.0')
    expect(second.log.map(line => line.msg)).not.toContain('took over what is assigned')
    expect(await first.end('SIGTERM')).toBe(0)
    const began = performance.now()
    await second.logged('took over what is assigned', 5_000)
    expect(performance.now() - began).toBeLessThan(5_000)
    await cluster.service('two')
    await shows('two', '192.0.2.1')
    await shows('one', '192.0.2.0')
  })

  it('says over HTTP whether it can work, and counts', async () => {
    const port = 20_000 + (process.pid % 20_000)
    const controller = await start('--port', String(port))
    await pool('a', { addresses: ['192.0.2.0/29'] })
    await cluster.service('web')
    await shows('web', '192.0.2.0')
    const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    expect(await get('/healthz')).toBe('ok\n')
    expect(await get('/readyz')).toBe('ok\n')
    const metrics = await get('/metrics')
    expect(metrics).toContain('berth_allocator_addresses_in_use_total{pool="a"} 1')
    expect(metrics).toContain('berth_allocator_ipv4_addresses_total{pool="a"} 8')
    expect(metrics).toContain('berth_leader 1')
    expect(metrics).toMatch(/berth_watch_up\{resource="[^"]*services[^"]*"\} 1/)
    expect(controller.child.exitCode).toBeNull()
  })
})

describe('Services that nobody would write', () => {
  it('crash nothing and hold up no other', async () => {
    const controller = await start()
    await pool('a', { addresses: ['10.64.0.0/16', '2001:db8::/64'] })
    const accepted = await createOddServices(cluster.transport, servicesPath, 1_000)
    expect(accepted.length).toBeGreaterThan(500)
    await cluster.service('plain')
    await until(
      async () => ((await cluster.addressesOf('plain')) === '' ? undefined : true),
      'the plain Service has an address',
      60_000,
    )
    await until(
      async () => {
        const list = await cluster.transport.request<unknown>({ method: 'GET', path: servicesPath })
        const untold = listOf(fieldOf(list, 'items')).filter(item => {
          const spec = fieldOf(item, 'spec')
          const isOurs = fieldOf(spec, 'type') === 'LoadBalancer' && !fieldOf(spec, 'loadBalancerClass')
          return (
            isOurs &&
            !listOf(fieldOf(fieldOf(item, 'status'), 'conditions')).some(
              one => fieldOf(one, 'type') === 'berth.dev/Allocated',
            )
          )
        })
        return untold.length === 0 || undefined
      },
      'every Service has its answer',
      60_000,
    )
    expect(controller.child.exitCode).toBeNull()
    expect(controller.log.filter(line => (line.level ?? 0) >= 50)).toEqual([])
  })
})
