import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, type Namespace, type World } from '../../test/lab/namespace.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { buildRawsock } from '../rawsock/build.ts'
import type { NetworkInterface } from '../wire/messages.ts'

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/netlink/monitor.net.test.ts is skipped: ${obstacle}\n`)

describe.skipIf(obstacle !== undefined)('the interface monitor', () => {
  let world: World
  let host: Namespace
  beforeEach(async () => {
    await buildRawsock()
    world = await createWorld()
    host = await world.createNamespace()
  })
  afterEach(async () => await world.end())

  /** The monitor in a process of its own: what it says, and a way to make it deaf while a command runs. */
  function start() {
    const program = join(import.meta.dirname, '../../test/wire/monitor-process.ts')
    const child = host.spawn([process.execPath, program], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (!child.stdin || !child.stdout) throw new Error('no pipes')
    const { stdin } = child
    const states: (readonly NetworkInterface[])[] = []
    const problems: string[] = []
    const lines = createInterface({ input: child.stdout })
    lines.on('line', line => {
      const said = JSON.parse(line) as { interfaces?: NetworkInterface[]; problem?: string }
      if (said.interfaces) states.push(said.interfaces)
      if (said.problem) problems.push(said.problem)
    })
    const until = async (condition: (last: readonly NetworkInterface[]) => boolean): Promise<void> => {
      const signal = AbortSignal.timeout(20_000)
      while (!condition(states.at(-1) ?? [])) await once(lines, 'line', { signal })
    }
    return { states, problems, until, deafDuring: (command: string) => void stdin.write(`${command}\n`) }
  }

  test('tells links that come, change and go', async () => {
    const { until, problems } = start()
    await until(all => all.length === 1)
    await host.run(['ip', 'link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right'])
    await until(all => all.length === 3)
    await host.run(['ip', 'link', 'set', 'left', 'up', 'mtu', '1400'])
    await until(all => all.some(({ name, up, mtu }) => name === 'left' && up && mtu === 1_400))
    await host.run(['ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'left'])
    await until(all => all.some(({ addresses }) => addresses.some(({ address }) => address === '192.0.2.1')))
    await host.run(['ip', 'link', 'set', 'left', 'down', 'name', 'lan'])
    await until(all => all.some(({ name }) => name === 'lan'))
    await host.run(['ip', 'link', 'del', 'lan'])
    await until(all => all.length === 1)
    expect(problems).toEqual([])
  })

  test('asks anew when the kernel had to drop what it told', async () => {
    const { until, deafDuring, problems } = start()
    await until(all => all.length === 1)
    await host.run(['ip', 'link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right'])
    await until(all => all.length === 3)
    // Some hundred messages fill the socket's buffer: that right went is among those that are lost.
    const flood = 'for i in $(seq 1 300); do echo "link set left mtu $((1000 + i))"; done | ip -batch -'
    deafDuring(`${flood}; ip link del left; ip link add last type veth peer name end`)
    await until(
      all =>
        all
          .map(({ name }) => name)
          .sort()
          .join() === 'end,last,lo',
    )
    expect(problems).toEqual([])
  })
})
