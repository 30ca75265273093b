import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chart, type Helm, openHelm } from '../charts/helm.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { type RuleTold, rightsTold } from './rights-table.ts'

/*
 * The tables of docs/security.md beside the word of a real API server: what `kubectl auth can-i --list` prints for the
 * service accounts of the chart, down to the names of single objects.
 */

let controlPlane: ControlPlane
let helm: Helm
const namespace = 'berth-system'

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  helm = await openHelm(await controlPlane.kubeconfig())
  await install()
})
afterAll(async () => {
  await helm?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

async function install(...more: readonly string[]): Promise<void> {
  await helm('upgrade', '--install', 'berth', chart, '-n', namespace, '--create-namespace', '--wait=hookOnly', ...more)
}

/** What an account may do in a namespace, one by one: `patch services/status`, `get leases.coordination.k8s.io [berth-controller]`. */
async function granted(account: string, where: string): Promise<ReadonlySet<string>> {
  const user = `--as=system:serviceaccount:${namespace}:${account}`
  const [head = '', ...lines] = (await controlPlane.kubectl(['auth', 'can-i', '--list', user, '-n', where]))
    .trimEnd()
    .split('\n')
  const columns = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'].map(column => head.indexOf(column))
  expect(columns).not.toContain(-1)
  const rights = lines.flatMap(line => {
    const [resource = '', url = '', name = '', verbs = ''] = columns.map((from, index) =>
      line.slice(from, columns[index + 1]).trim(),
    )
    return verbs
      .slice(1, -1)
      .split(' ')
      .map(verb => [verb, resource, url === '[]' ? '' : url, name === '[]' ? '' : name].filter(Boolean).join(' '))
  })
  return new Set(rights)
}

/** Without what any account has. */
async function grantedMoreThanAnybody(account: string, where: string): Promise<readonly string[]> {
  const anybody = await granted('somebody', where)
  const rights = await granted(account, where)
  return [...rights].filter(right => !anybody.has(right)).toSorted()
}

function told(rules: readonly RuleTold[]): readonly string[] {
  const rights = rules.flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap(group =>
      resources.flatMap(resource => {
        const [plural = '', part] = resource.split('/')
        const full = `${group === '' ? plural : `${plural}.${group}`}${part === undefined ? '' : `/${part}`}`
        const names = resourceNames.length > 0 ? resourceNames.map(name => ` [${name}]`) : ['']
        return names.flatMap(name => verbs.map(verb => `${verb} ${full}${name}`))
      }),
    ),
  )
  return [...new Set(rights)].toSorted()
}

describe.each([
  { account: 'berth-controller', tables: ['Controller', 'Status page'] },
  { account: 'berth-speaker', tables: ['Speaker'] },
])('kubectl auth can-i --list of $account', ({ account, tables }) => {
  const everywhere = tables.flatMap(table => rightsTold(table, 'everywhere'))
  const itsOwn = tables.flatMap(table => rightsTold(table, 'its own'))

  test('is what the page says of all namespaces', async () => {
    expect(everywhere.length).toBeGreaterThan(3)
    expect(await grantedMoreThanAnybody(account, 'default')).toEqual(told(everywhere))
  })

  test('in Berth’s namespace it is what the page says of that beside it', async () => {
    expect(itsOwn.length).toBeGreaterThan(3)
    expect(await grantedMoreThanAnybody(account, namespace)).toEqual(told([...everywhere, ...itsOwn]))
  })
})

test('of Leases the controller may renew its own and no other', async () => {
  const rights = await grantedMoreThanAnybody('berth-controller', namespace)
  expect(rights).toContain('update leases.coordination.k8s.io [berth-controller]')
  expect(rights).not.toContain('update leases.coordination.k8s.io')
})

test('where the page does not listen on loopback, tokens may be reviewed, and that is all that is new', async () => {
  const before = await granted('berth-controller', 'default')
  await install('--set', 'controller.statusPage.address=:7474')
  const reviews = ['create subjectaccessreviews.authorization.k8s.io', 'create tokenreviews.authentication.k8s.io']
  await expect
    .poll(async () =>
      [...(await granted('berth-controller', 'default'))].filter(right => !before.has(right)).toSorted(),
    )
    .toEqual(reviews)
})
