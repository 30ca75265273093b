import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport } from '../../kube/transport.ts'
import { createGatekeeper } from '../../page/access.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { asWritten } from './commands.ts'
import { openShell, type Shell } from './shell.ts'
import { snippet } from './snippets.ts'

/*
 * What a reader does with docs/install.md, docs/status-page.md and docs/cli.md from above to below: each line goes through a
 * shell as it stands, pipes and all, to a real API server. What needs a kubelet as well (port-forward, and a restart until all is
 * well again) is done by test/real-cluster/install.net.test.ts.
 */

const obstacle = await whyNoShell()
if (obstacle !== undefined) console.warn(`skipped: the commands of docs/ as they stand: ${obstacle}`)

const withKubelets = new Set(['kubectl port-forward -n berth-system deployment/berth-controller 7474'])
const lines = asWritten()
const hasRun = new Set<string>()
let controlPlane: ControlPlane
let shell: Shell

beforeAll(async () => {
  if (obstacle !== undefined) return
  // It ends the deletion of a namespace.
  controlPlane = await startControlPlane({ crds: false, controllerManager: true })
  shell = await openShell(controlPlane)
  await shell.write({ 'values.yaml': snippet('install.md', 'values') })
})
afterAll(async () => {
  await shell?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

/** Runs the one line of a page that begins so. */
async function run(page: string, beginning: string, ...codes: readonly number[]): Promise<string> {
  const found = lines.filter(({ page: where, text }) => where === `docs/${page}` && text.startsWith(beginning))
  const [text] = new Set(found.map(({ text }) => text))
  if (text === undefined) throw new Error(`docs/${page} has no command that begins with ${beginning}`)
  hasRun.add(text)
  return await shell.run(text, codes.length > 0 ? codes : [0])
}

async function names(kinds: string, ...more: readonly string[]): Promise<readonly string[]> {
  return (await controlPlane.kubectl(['get', kinds, '-o', 'name', ...more])).split('\n').filter(Boolean)
}

const inBerths = ['-n', 'berth-system']

describe.skipIf(obstacle !== undefined)('docs/install.md', () => {
  test('installs, exposes a Deployment and lets the speakers in where Pod Security is enforced', async () => {
    await run('install.md', 'helm upgrade --install berth')
    expect(await names('deployments,daemonsets', ...inBerths)).toEqual([
      'deployment.apps/berth-controller',
      'daemonset.apps/berth-speaker',
    ])
    expect(await names('ipaddresspools,l2advertisements', ...inBerths)).toHaveLength(2)
    await controlPlane.kubectl(['create', 'deployment', 'web', '--image=localhost/web', '--replicas=0'])
    await run('install.md', 'kubectl expose')
    expect(await field('service/web', '{.spec.type} {.spec.ports[0].targetPort}', 'default')).toBe('LoadBalancer 8080')
    await run('install.md', 'kubectl label namespace')
    const label = String.raw`{.metadata.labels.pod-security\.kubernetes\.io/enforce}`
    expect(await field('namespace/berth-system', label)).toBe('privileged')
  })

  test('the key of one’s own is as long as one of the chart’s, and speakers take it', async () => {
    await run('install.md', 'kubectl --namespace berth-system create secret generic speaker-key')
    const [own, charts] = await Promise.all(
      ['speaker-key', 'berth-speaker-key'].map(async name => await field(`secret/${name}`, '{.data.key}')),
    )
    expect(Buffer.from(own ?? '', 'base64').toString()).toMatch(/^[0-9a-f]{48}$/)
    expect(own).toHaveLength(charts?.length ?? 0)
    await shell.run(
      'helm upgrade berth charts/berth -n berth-system --reuse-values --set speaker.detection.existingSecret=speaker-key --wait=hookOnly',
    )
    const secrets = '{.spec.template.spec.volumes[*].secret.secretName}'
    expect(await field('daemonset/berth-speaker', secrets)).toBe('speaker-key')
    const before = await field('daemonset/berth-speaker', '{.metadata.generation}')
    await run('install.md', 'kubectl -n berth-system rollout restart daemonset/berth-speaker')
    expect(Number(await field('daemonset/berth-speaker', '{.metadata.generation}'))).toBe(Number(before) + 1)
  })

  test('CRDs that an older version has left come up to date by what helm shows', async () => {
    const shortNames = '{.spec.names.shortNames}'
    const older = JSON.stringify({ spec: { names: { shortNames: ['older'] } } })
    await controlPlane.kubectl(['patch', 'crd', 'communities.berth.dev', '--type=merge', '--patch', older])
    expect(await field('crd/communities.berth.dev', shortNames)).toBe('["older"]')
    const said = await run('install.md', 'helm show crds')
    expect(said.match(/serverside-applied/g)).toHaveLength(9)
    expect(await field('crd/communities.berth.dev', shortNames)).toBe('["lbcommunity"]')
  })
})

describe.skipIf(obstacle !== undefined)('docs/status-page.md', () => {
  test('whoever is bound to the viewers’ role may look with the token that is printed, and not before', async () => {
    await shell.write({ 'page.yaml': snippet('status-page.md', 'other-address') })
    await shell.run('helm upgrade berth charts/berth -n berth-system --reuse-values --values page.yaml --wait=hookOnly')
    await run('status-page.md', 'kubectl create serviceaccount')
    const token = (await run('status-page.md', 'kubectl create token')).trim()
    const controller = 'system:serviceaccount:berth-system:berth-controller'
    const transport = createTransport(await loadCredentials(await controlPlane.kubeconfig(controller)))
    try {
      const log = pino({ level: 'silent' })
      const gatekeeper = createGatekeeper({ transport, log, rememberMs: 0 })
      expect(await gatekeeper.decide(token)).toMatchObject({ kind: 'forbidden' })
      await run('status-page.md', 'kubectl create clusterrolebinding')
      const user = 'system:serviceaccount:default:looker'
      await expect.poll(() => gatekeeper.decide(token), { timeout: 20_000 }).toEqual({ kind: 'granted', user })
    } finally {
      transport.close()
    }
  })
})

describe.skipIf(obstacle !== undefined)('docs/cli.md', () => {
  const poolOf = (name: string, addresses: string): string =>
    `apiVersion: berth.dev/v1beta1\nkind: IPAddressPool\nmetadata: { name: ${name}, namespace: berth-system }\nspec: { addresses: [${addresses}] }\n`
  const resource = 'pool.yaml'

  beforeAll(async () => {
    if (obstacle !== undefined) return
    await shell.write({
      'change.yaml': poolOf('public', '203.0.113.0/28'),
      [`pools/${resource}`]: poolOf('second', '198.51.100.0/28'),
      [`overlays/prod/${resource}`]: poolOf('third', '198.51.100.16/28'),
      'overlays/prod/kustomization.yaml': `resources: [${resource}]\n`,
      'dump/.keep': '',
    })
    const old =
      'apiVersion: berth.dev/v1beta1\nkind: L2Advertisement\nmetadata: { name: old, namespace: berth-system }\n'
    await controlPlane.kubectl(['apply', '-f', '-'], { input: old })
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } }
    await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(node) })
    const ingress = { status: { loadBalancer: { ingress: [{ ip: '192.0.2.100' }] } } }
    const status = ['--subresource=status', '--type=merge', '--patch', JSON.stringify(ingress)]
    await controlPlane.kubectl(['patch', 'service', 'web', ...status])
  })

  test('preview says who would change, whether the change is a file, a folder and a deletion, or comes by a pipe', async () => {
    const changes = 'default/web  changes from 192.0.2.100 to 203.0.113.0'
    expect(await run('cli.md', 'kubectl berth preview -f change.yaml', 2)).toContain(changes)
    const second = await run('cli.md', 'kubectl berth preview -f pools/')
    expect(second).toMatch(/created\s+IPAddressPool second[^]*removed\s+L2Advertisement old/)
    const third = JSON.parse(await run('cli.md', 'kustomize build')) as { readonly objects: readonly unknown[] }
    expect(third.objects).toMatchObject([{ name: { kind: 'IPAddressPool', name: 'third' }, outcome: 'created' }])
  })

  test('a dump stands for the cluster', async () => {
    await run('cli.md', 'kubectl get services,endpointslices,nodes,namespaces')
    await run('cli.md', 'kubectl -n berth-system get leases,ipaddresspools')
    await run('cli.md', 'kubectl get servicel2statuses,bgpsessionstatuses')
    const said = await run('cli.md', 'kubectl berth preview --from dump/', 2)
    expect(said).toContain('default/web  changes from 192.0.2.100 to 203.0.113.0')
  })

  test('the doctor finds that nothing runs, and jq the checks that fail', async () => {
    // There are no kubelets, so no controller leads, and no speaker is there.
    expect(await run('cli.md', 'kubectl berth doctor', 2)).toMatch(/Fails[^]*Controller/)
    const failing = await run('cli.md', 'kubectl berth doctor -o json | jq')
    expect(failing.trim().split('\n')).toEqual(expect.arrayContaining(['Controller', 'Speakers']))
  })

  test('who is of the readers’ group may read what the commands read', async () => {
    const mayList = ['auth', 'can-i', 'list', 'ipaddresspools.berth.dev', '--as=somebody', '--as-group=GROUP']
    await expect(controlPlane.kubectl(mayList)).rejects.toThrow('auth can-i list')
    await run('cli.md', 'kubectl create clusterrolebinding berth-readers')
    await expect.poll(() => controlPlane.kubectl(mayList), { timeout: 20_000 }).toBe('yes\n')
  })
})

describe.skipIf(obstacle !== undefined)('docs/install.md, to the end', () => {
  const kept = ['crd', 'ipaddresspools,l2advertisements', 'secret/berth-speaker-key'] as const

  test('an uninstall leaves what the table says, and each of its commands takes it away', async () => {
    await run('install.md', 'helm uninstall')
    expect(await names('deployments,daemonsets', ...inBerths)).toEqual([])
    for (const kind of kept) expect(await names(kind, ...inBerths)).not.toEqual([])
    await run('install.md', 'kubectl delete berth --all')
    expect(await names('ipaddresspools,l2advertisements', ...inBerths)).toEqual([])
    await run('install.md', 'kubectl delete crd')
    expect(await names('crd')).toEqual([])
    await run('install.md', 'kubectl --namespace berth-system delete secret')
    expect(await names('secrets', ...inBerths)).toEqual(['secret/speaker-key'])
    await run('install.md', 'kubectl delete namespace')
    expect(await names('namespaces')).not.toContain('namespace/berth-system')
  })
})

test.skipIf(obstacle !== undefined)('no command of these pages is left out', () => {
  const left = lines.map(({ text }) => text).filter(text => !hasRun.has(text))
  expect(new Set(left)).toEqual(withKubelets)
})

async function field(object: string, path: string, namespace = 'berth-system'): Promise<string> {
  return await controlPlane.kubectl(['get', object, '-n', namespace, '-o', `jsonpath=${path}`])
}

/** What the lines take besides Berth's own; undefined = it is here. */
async function whyNoShell(): Promise<string | undefined> {
  for (const program of ['openssl', 'jq']) {
    const found = promisify(execFile)('sh', ['-c', `command -v ${program}`])
    if (!(await found.catch(() => undefined))) return `there is no ${program} here`
  }
  return undefined
}
