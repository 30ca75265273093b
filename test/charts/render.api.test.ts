import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parsePageAddress } from '../../page/address.ts'
import { chart, type Helm, openHelm } from './helm.ts'

let helm: Helm

beforeAll(async () => {
  helm = await openHelm()
})
afterAll(async () => await helm?.[Symbol.asyncDispose]())

const full = ['-f', join(import.meta.dirname, 'full-values.yaml')]

async function render(...args: readonly string[]): Promise<string> {
  const text = await helm('template', 'berth', chart, '--namespace', 'berth-system', ...args)
  return text.replace(/^( {2}key: ).{20,}$/m, '$1MADE-ONCE')
}

// Changed on purpose? `vitest run --project api test/charts/render.api.test.ts -u`, and read the difference.
test.each([
  { name: 'default', values: [] },
  { name: 'full', values: full },
])('the $name values render as they did', async ({ name, values }) => {
  await expect(await render(...values)).toMatchFileSnapshot(`golden/${name}.yaml`)
})

test('helm finds nothing to complain about', async () => {
  for (const values of [[], full]) {
    const said = await helm('lint', chart, '--strict', '--namespace', 'berth-system', ...values)
    expect(said).toContain('1 chart(s) linted, 0 chart(s) failed')
    expect(said).not.toMatch(/WARNING|ERROR/)
  }
})

test('another release is called after itself, so that nothing of two is the same', async () => {
  const text = await helm('template', 'edge', chart, '--namespace', 'edge')
  expect(text).toContain('name: edge-berth-controller')
  expect(text).not.toContain('name: berth-controller\n')
})

test.each([
  { address: '127.0.0.1:7474', says: true },
  { address: 'localhost:7475', says: true },
  { address: '[::1]:7476', says: true },
  { address: ':7474', says: false },
])(
  'with the status page on $address the notes say how to reach it by port-forward: $says',
  async ({ address, says }) => {
    const value = `controller.statusPage.address=${address}`
    const text = await helm(
      'install',
      'berth',
      chart,
      '--namespace',
      'berth-system',
      '--dry-run=client',
      '--set',
      value,
    )
    const [, port] =
      /port-forward deployment\/berth-controller (\d+) +# the status page: http:\/\/localhost:\1$/m.exec(text) ?? []
    expect(port).toBe(says ? address.slice(-4) : undefined)
  },
)

test.each([
  {
    what: 'a Lease that one late renewal would end',
    value: 'speaker.leaseDurationSeconds=5',
    says: /speaker\.leaseDurationSeconds \(5\) must be .* speaker\.renewPeriodSeconds \(3\): set it to 8 or more/,
  },
  {
    what: 'a hand-over that would be killed',
    value: 'speaker.handOverTimeoutSeconds=60',
    says: /speaker\.terminationGracePeriodSeconds \(20\) .* set it to 65 or more, 5 s beyond speaker\.handOverTimeoutSeconds \(60\)/,
  },
])('$what is refused with what to set', async ({ value, says }) => {
  await expect(render('--set', value)).rejects.toThrow(says)
})

describe('brackets in the status page’s address', () => {
  const rendered = async (address: string) => await render('--set-string', `controller.statusPage.address=${address}`)
  const groups = (count: number) => Array.from({ length: count }, (_, index) => `${index}f`).join(':')

  const counted = [groups(8), `${groups(7)}::`, `::${groups(7)}`, `${groups(3)}::${groups(4)}`]
  const withIPv4 = ['::ffff:127.0.0.1', `${groups(6)}:192.0.2.1`, '1:2::3:192.0.2.1', `${groups(5)}::1.2.3.4`]
  test.each(['::', '::1', '1::', '2001:DB8::7', 'fe80::1:2', ...counted, ...withIPv4])(
    'take %s, as the controller does',
    async address => {
      expect(parsePageAddress(`[${address}]:7474`)).toBeDefined()
      expect(await rendered(`[${address}]:7474`)).toContain(`--status-page-address=[${address}]:7474`)
    },
  )

  const odd = [':', ':::', '1', '1:2', '::12345', '1::2::3', ':1', '1:', '1:::2']
  const miscounted = [groups(7), groups(9), `${groups(8)}::`, `${groups(4)}::${groups(4)}`]
  const oddIPv4 = ['127.0.0.1', '::1.2.3', '::1.2.3.256', '::1.2.3.4:1', `${groups(7)}:1.2.3.4`]
  test.each([...odd, ...miscounted, ...oddIPv4])(
    'refuse %s, as the controller does, and say what to write',
    async address => {
      expect(parsePageAddress(`[${address}]:7474`)).toBeUndefined()
      const says = `controller.statusPage.address ([${address}]:7474) has no IPv6 address in its brackets`
      await expect(rendered(`[${address}]:7474`)).rejects.toThrow(says)
    },
  )
})

test('values that just fit are taken', async () => {
  const values = [
    'speaker.leaseDurationSeconds=5',
    'speaker.renewPeriodSeconds=2',
    'speaker.handOverTimeoutSeconds=60',
    'speaker.terminationGracePeriodSeconds=65',
  ]
  expect(await render('--set', values.join(','))).toContain('terminationGracePeriodSeconds: 65')
})

test.each([
  ['a word for a number', 'speaker.port=soon', '/speaker/port'],
  ['a value that does not exist', 'speaker.hostNetwork=true', 'hostNetwork'],
  ['a log level that does not exist', 'logLevel=loud', '/logLevel'],
  ['too short a time to stop', 'speaker.terminationGracePeriodSeconds=5', '/speaker/terminationGracePeriodSeconds'],
  ['a pool without a spec', 'configuration.pools[0].name=public', '/configuration/pools/0'],
  ['something else than a digest', 'image.digest=latest', '/image/digest'],
])('%s is refused before anything is rendered', async (_, value, place) => {
  await expect(render('--set', value)).rejects.toThrow(place)
})
