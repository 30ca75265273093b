import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseOptions } from '../../controller/options.ts'
import { fieldOf, textOf } from '../../kube/json.ts'
import { parsePageAddress } from '../../page/address.ts'
import { readFlags } from '../../speaker/flags.ts'
import { grantedRights } from '../../speaker/test-rights.ts'
import { chartCrds } from './crds.ts'
import { chart } from './helm.ts'
import { type Rule, rightsOf } from './rights.ts'
import { valuesTable } from './values-table.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface Rendered {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules?: readonly Rule[]
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly [{ readonly args: readonly string[]; readonly securityContext: object }]
      }
    }
  }
}

/** What a golden file holds; that helm renders just this is shown by render.api.test.ts. */
function golden(name: string): readonly Rendered[] {
  return parseAllDocuments(read(`test/charts/golden/${name}.yaml`)).map(document => document.toJS() as Rendered)
}

function find(name: string, kind: string, object: string): Rendered {
  const found = golden(name).find(one => one.kind === kind && one.metadata.name === object)
  if (!found) throw new Error(`golden/${name}.yaml has no ${kind} ${object}`)
  return found
}

test('the CRDs of the chart are those of /crds; else run node test/charts/crds.ts', async () => {
  const wanted = await chartCrds()
  expect(wanted.size).toBeGreaterThan(8)
  expect(readdirSync(join(chart, 'crds')).toSorted()).toEqual([...wanted.keys()])
  for (const [file, text] of wanted) expect(read(`charts/berth/crds/${file}`)).toBe(text)
})

test('docs/install.md lists every value; else put in what node test/charts/values-table.ts prints', () => {
  expect(read('docs/install.md')).toContain(`${valuesTable().join('\n')}\n`)
})

test('every value has a default, and every default a description', () => {
  const cells = valuesTable().slice(2)
  expect(cells.length).toBeGreaterThan(50)
  for (const row of cells) expect(row).toMatch(/^\| `[\w.]+` \| `.+` \| \S.+[.?)] \|$/)
})

test('the speaker is granted the rights that its own tests show to be needed, and no other', () => {
  const rules = (['ClusterRole', 'Role'] as const).flatMap(kind => find('default', kind, 'berth-speaker').rules ?? [])
  expect(rightsOf(rules).toSorted()).toEqual([...grantedRights()].toSorted())
})

test.each(['default', 'full'])('both programs take the flags that they are given: %s values', name => {
  const controller = find(name, 'Deployment', 'berth-controller').spec.template.spec
  const speaker = find(name, 'DaemonSet', 'berth-speaker').spec.template.spec
  const given = parseOptions(controller.containers[0].args, {})
  expect(given).toMatchObject({ options: { namespace: 'berth-system' } })
  const flags = readFlags(
    speaker.containers[0].args.map(arg => arg.replace('$(NODE_NAME)', 'node-1')),
    {},
  )
  if (!('options' in flags)) throw new Error(flags.answer.text)
  const { handOverTimeoutSeconds, bgpDwellSeconds, nodeName } = flags.options
  expect(nodeName).toBe('node-1')
  expect(speaker.terminationGracePeriodSeconds).toBeGreaterThan(handOverTimeoutSeconds + bgpDwellSeconds)
  expect(speaker.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(15)
})

test('the status page’s address is refused where the controller would refuse it', () => {
  const schema: unknown = JSON.parse(read('charts/berth/values.schema.json'))
  const path = ['controller', 'statusPage', 'address'].flatMap(name => ['properties', name])
  const pattern = textOf(fieldOf(path.reduce(fieldOf, schema), 'pattern'))
  if (pattern === undefined) throw new Error('the schema has no pattern for controller.statusPage.address')
  const isTaken = (address: string): boolean => new RegExp(pattern).test(address)
  const good = ['127.0.0.1:7474', '0.0.0.0:80', '255.249.199.99:65535', ':7474', 'localhost:60000', '[::1]:7474']
  expect(good.filter(address => !isTaken(address) || !parsePageAddress(address))).toEqual([])
  const bad = ['999.9:7474', '256.0.0.1:7474', '127.0.0.1.:7474', '::1:7474', ':65536', ':99999', ':', 'berth:7474', '']
  expect(bad.filter(address => isTaken(address) || parsePageAddress(address))).toEqual([])
})

test('port 179 is to be had only where a router dials; nothing else is added, and nothing can be gained', () => {
  const contextOf = (name: string) =>
    find(name, 'DaemonSet', 'berth-speaker').spec.template.spec.containers[0].securityContext
  const rest = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true }
  expect(contextOf('default')).toEqual({ ...rest, capabilities: { drop: ['ALL'], add: ['NET_RAW', 'SYS_NICE'] } })
  expect(contextOf('full')).toEqual({
    ...rest,
    capabilities: { drop: ['ALL'], add: ['NET_RAW', 'SYS_NICE', 'NET_BIND_SERVICE'] },
  })
})
