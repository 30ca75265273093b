import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { commandsOf, isWhole, migration, runners } from './commands.ts'
import { pages, root } from './pages.ts'
import { snippets } from './snippets.ts'

/*
 * Every command of the pages is run by a test. Those that speak to a cluster are found and run by themselves (`runners`); all
 * others stand here, with the test that runs each, or with the reason why none does. Nothing may be missing, and nothing may
 * stand here that no page says any more.
 */

/** By the test that runs them, or does what they do, the words in it by which it is known; and the commands. */
const ownTests: readonly (readonly [test: string, mark: string, commands: readonly string[]])[] = [
  ['test/demo/demo.net.test.ts', "start('--bgp')", ['npm ci && npm run demo', 'npm run demo -- --bgp']],
  ['test/demo/demo.net.test.ts', "'--stay'", ['npm run demo -- --stay']],
  ['test/demo/story.ts', "'arping', '-c', '1', '-I'", ['arping -I eth0 ADDRESS', 'arping -c 3 -I eth0 192.0.2.100']],
  ['test/demo/story.ts', "'ndisc6'", ['ndisc6 2001:db8:0:2::100 eth0']],
  ['cli/package.api.test.ts', "['run', 'build']", ['npm ci && npm run build', 'npm run build']],
  ['cli/package.api.test.ts', "written('cp dist/')", ['cp dist/kubectl-berth.cjs ~/.local/bin/kubectl-berth']],
  ['cli/package.api.test.ts', "written('npm pack')", ['npm pack ./dist/kubectl-berth']],
  ['cli/package.api.test.ts', "written('npx ')", ['npx ./kubectl-berth-0.1.0.tgz status']],
  ['cli/completion.test.ts', "['completion', shell]", ['kubectl-berth completion', 'kubectl-berth completion bash']],
  ['image/image.net.test.ts', "['run', 'image', '--'", ['npm run image', 'npm ci && npm run image']],
  [
    'cli/migrate/command.test.ts',
    "'--to-directory'",
    ['kubectl berth migrate from-metallb -f metallb/ --to-directory berth/'],
  ],
  ['cli/migrate/plan.test.ts', 'kubectl label nodes --all', ['kubectl label nodes --all berth.dev/metallb=true']],
  ['test/docs/first-session.net.test.ts', "'show ip route 203.0.113.0'", ['show ip route 203.0.113.0']],
  ['test/lockfile.test.ts', 'missingPackages(', ['node test/lockfile.ts']],
  ['test/charts/chart.test.ts', 'chartCrds(', ['node test/charts/crds.ts']],
  ['test/charts/chart.test.ts', 'valuesTable(', ['node test/charts/values-table.ts']],
  ['test/charts/monitoring/dashboard.test.ts', 'dashboardText(', ['node test/charts/monitoring/dashboard.ts']],
  ['test/docs/configuration.test.ts', 'filledIn(', ['node test/docs/configuration.ts']],
  ['test/page/views.api.test.ts', 'servePage(', ['node test/page/serve.ts']],
  ['test/real-cluster/install.net.test.ts', 'startCluster(', ['npm run real-cluster']],
  ['test/control-plane/control-plane.api.test.ts', 'startControlPlane(', ['npm run control-plane']],
]

/** By the reason why no test runs them. */
const unrun: Readonly<Record<string, readonly string[]>> = {
  'is what tests are run by, or what they need before they can run': [
    'npm ci',
    'npm install',
    'npm test',
    'npm test -- STEP …',
    'npm test -- simulation',
    'npm run check',
    'npm run fmt',
    'vitest run --project api test/charts/render.api.test.ts -u',
  ],
  'measures for most of an hour, on a machine that does nothing else': ['npm run bench'],
  'wants a registry, Docker or containerd outside of any test; image/image.net.test.ts unpacks the image as they do': [
    'skopeo copy --preserve-digests oci-archive:dist/image/berth-amd64.tar docker://REPOSITORY:TAG',
    'docker buildx imagetools create --tag REPOSITORY:TAG REPOSITORY:TAG-amd64 REPOSITORY:TAG-arm64',
    'docker load --input dist/image/berth-amd64.tar',
    'docker build --tag REPOSITORY:TAG .',
    'ctr --namespace k8s.io images import berth-amd64.tar',
  ],
  'looks at a node, a client or a router as it happens to be; what it shows is theirs to say': [
    'curl -s http://127.0.0.1:7473/metrics',
    'curl -s http://127.0.0.1:10256/healthz',
    'nft list ruleset',
    'ip address show kube-ipvs0',
    'ping -M do -s 1472 NODE',
    "ss -tno state established '( dport = :179 or sport = :179 )'",
    'show ip route 203.0.113.10',
    'show bgp ipv4 unicast PREFIX',
    'show bgp ipv4 unicast neighbors 192.0.2.11 received-routes',
  ],
  'is for who stops amid a migration, or has a MetalLB of another making': [
    'kubectl label nodes --all berth.dev/metallb-',
    'kubectl get servicel2statuses.metallb.io --all-namespaces',
    'kubectl --namespace metallb-system delete frrconfigurations.frrk8s.metallb.io metallb-NODE',
  ],
}

const found = runners()
const others = pages()
  .flatMap(commandsOf)
  .filter(command => isWhole(command) && !found.has(command.text))
  .map(({ text }) => text.replace(/\s+#.*$/, ''))

test('every command has a test, or a reason to have none, and nothing else is listed', () => {
  const listed = [...ownTests.flatMap(([, , commands]) => commands), ...Object.values(unrun).flat()]
  expect(listed.toSorted()).toEqual([...new Set(others)].toSorted())
})

test('most are found by themselves', () => {
  expect(found.size).toBeGreaterThan(2 * new Set(others).size)
})

describe('the tests that are named', () => {
  test.each(ownTests)('%s has %s', (path, mark) => {
    expect(existsSync(join(root, path))).toBe(true)
    expect(readFileSync(join(root, path), 'utf8')).toContain(mark)
  })
})

test('each block of docs/migration.md is run by the test of a migration, by its name', () => {
  const blocks = commandsOf(migration).filter(({ isInBlock }) => isInBlock)
  const named = snippets('migration.md')
  const text = readFileSync(join(root, 'test/e2e/migrate.net.test.ts'), 'utf8')
  const used = [...named].filter(
    ([name]) => text.includes(`run('${name}')`) || text.includes(`'migration.md', '${name}'`),
  )
  const run = used.map(([, body]) => body.replaceAll(/\\\n\s*/g, '')).join('')
  expect(blocks.length).toBeGreaterThan(10)
  expect(blocks.filter(({ text }) => !run.includes(text)).map(({ text }) => text)).toEqual([])
})
