import { pino } from 'pino'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport } from '../../kube/transport.ts'
import { type Access, createGatekeeper } from '../../page/access.ts'
import { watchCluster } from '../../page/cluster.ts'
import { watchRights } from '../../speaker/test-rights.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { chart, type Helm, openHelm } from './helm.ts'
import { type Rule, rightsOf } from './rights.ts'

/** The roles of the status page on a real API server: enough for all that it reads, and nothing beside it. */

const namespace = 'berth-system'
const log = pino({ level: 'silent' })
let controlPlane: ControlPlane
let helm: Helm

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  helm = await openHelm(await controlPlane.kubeconfig())
})
afterAll(async () => {
  await helm?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

async function install(...values: readonly string[]): Promise<void> {
  const sets = values.flatMap(value => ['--set', value])
  await helm('upgrade', '--install', 'berth', chart, '-n', namespace, '--create-namespace', '--wait=hookOnly', ...sets)
}

/** What the roles of this name grant; of everything of its kind, and not of one object alone. */
async function grantedBy(name: string): Promise<readonly string[]> {
  const rules = await Promise.all(
    ['clusterrole', 'role'].map(async kind => {
      const text = await controlPlane.kubectl(['get', kind, name, '-n', namespace, '-o', 'jsonpath={.rules}'])
      return JSON.parse(text) as readonly (Rule & { readonly resourceNames?: readonly string[] })[]
    }),
  )
  return rightsOf(rules.flat().filter(({ resourceNames }) => resourceNames === undefined))
}

/** All that the page asks of the API server, as the controller's service account; and what it says to a token. */
async function rightsUsed(token: string | undefined): Promise<{ used: readonly string[]; access: Access | undefined }> {
  const user = `system:serviceaccount:${namespace}:berth-controller`
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  const inner = createTransport(await loadCredentials(await controlPlane.kubeconfig(user, { groups })))
  const transport = watchRights(inner)
  const stop = new AbortController()
  const cluster = watchCluster({ transport, namespace, log, onChange: () => {} })
  const running = cluster.run(stop.signal)
  try {
    await vi.waitFor(() => expect(cluster.trouble()).toEqual([]), { timeout: 20_000, interval: 50 })
    // A watch that is forbidden would be seen a moment after its list.
    await vi.waitFor(() => expect([...transport.used].filter(right => right.startsWith('watch '))).toHaveLength(14), {
      timeout: 20_000,
      interval: 50,
    })
    const access = token === undefined ? undefined : await createGatekeeper({ transport, log }).decide(token)
    return { used: [...transport.used], access }
  } finally {
    stop.abort()
    await running
    inner.close()
  }
}

test('on loopback the page has the rights to read what it shows, and uses each', async () => {
  await install()
  const [own, page] = [await grantedBy('berth-controller'), await grantedBy('berth-status-page')]
  const { used } = await rightsUsed(undefined)
  expect(used.filter(right => !own.includes(right)).toSorted()).toEqual(page.toSorted())
  for (const right of page) expect(right).toMatch(/^(list|watch) /)
})

test('elsewhere it may also have tokens reviewed, and who is bound to the viewers’ role may look', async () => {
  await install('controller.statusPage.address=:7474')
  await controlPlane.kubectl(['create', 'serviceaccount', 'viewer'])
  const binding = ['clusterrolebinding', 'viewer', '--clusterrole=berth-status-page-viewer']
  await controlPlane.kubectl(['create', ...binding, '--serviceaccount=default:viewer'])
  const token = (await controlPlane.kubectl(['create', 'token', 'viewer'])).trim()
  const [own, page] = [await grantedBy('berth-controller'), await grantedBy('berth-status-page')]
  const { used, access } = await rightsUsed(token)
  expect(access).toEqual({ kind: 'granted', user: 'system:serviceaccount:default:viewer' })
  expect(used.filter(right => !own.includes(right)).toSorted()).toEqual(page.toSorted())
})

test('without the page there is no right of it left', async () => {
  await install('controller.statusPage.enabled=false')
  const left = await controlPlane.kubectl([
    'get',
    'clusterroles,roles,clusterrolebindings,rolebindings',
    '-A',
    '-o',
    'name',
  ])
  expect(left).not.toContain('status-page')
})
