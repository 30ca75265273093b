import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plain } from '../../cli/paint.ts'
import { createProgram } from '../../cli/program.ts'
import { chart, type Helm, openHelm } from '../charts/helm.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { type Runner, runners, withNames, wordsOf } from './commands.ts'
import { snippet, snippets } from './snippets.ts'

/*
 * The commands of all pages run against a real API server on which there is what they speak of: what the chart installs, the
 * objects of docs/configuration.md, two nodes, a Service, a Lease and a session. What would change something runs dry; there
 * are no kubelets, so that logs are asked for their objects only, and test/real-cluster reads them. What changes something
 * and is not dry is run elsewhere: by as-written.api.test.ts, and of docs/migration.md by test/e2e/migrate.net.test.ts.
 */

const byRunner = Map.groupBy(runners(), ([, runner]) => runner)

/** The commands that this part of the test runs, as they stand and by their words. */
function commandsBy(runner: Runner): readonly (readonly [text: string, words: readonly string[]])[] {
  return (byRunner.get(runner) ?? []).map(([text]) => [text, wordsOf(text)])
}

const [ofKubectl, ofBerth, ofHelm] = [commandsBy('kubectl'), commandsBy('kubectl berth'), commandsBy('helm')]
const configuration = 'configuration.md'

let controlPlane: ControlPlane
let helm: Helm

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  helm = await openHelm(await controlPlane.kubeconfig())
  await writeFile(join(controlPlane.directory, 'values.yaml'), snippet('install.md', 'values'))
  // Twice, so that there is something to go back to.
  const [, ...install] = wordsOf(snippet('install.md', 'install').trim())
  for (const value of ['logLevel=info', 'logLevel=debug'])
    await helm(...inPlace(install), '--set', value, '--wait=hookOnly')
  const meta = (name: string, namespace?: string): object => ({ metadata: { name, namespace } })
  const berth = { apiVersion: 'berth.dev/v1beta1' }
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' }
  const items = [
    ...['node-1', 'node-3'].map(name => ({ apiVersion: 'v1', kind: 'Node', ...meta(name) })),
    { ...lease, ...meta('berth-controller', 'berth-system') },
    { ...lease, ...meta('speaker-node-3', 'berth-system') },
    { ...berth, kind: 'BGPSessionStatus', ...meta('node-1.tor', 'berth-system') },
  ]
  await apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  await mkdir(join(controlPlane.directory, 'config'))
  for (const [name, text] of snippets(configuration)) {
    await apply(text)
    await writeFile(join(controlPlane.directory, 'config', `${name}.yaml`), text)
  }
})
afterAll(async () => {
  await helm?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

/** Files and folders as they lie here. */
function inPlace(words: readonly string[]): readonly string[] {
  const places: Readonly<Record<string, string>> = {
    'charts/berth': chart,
    'values.yaml': join(controlPlane.directory, 'values.yaml'),
    'config/': join(controlPlane.directory, 'config'),
    'berth/': join(controlPlane.directory, 'config'),
    DIR: join(controlPlane.directory, 'config'),
  }
  return withNames(words).map(word => places[word] ?? word)
}

async function apply(input: string): Promise<string> {
  return await controlPlane.kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], { input })
}

describe('docs/configuration.md', () => {
  test.each([...snippets(configuration).keys()])(
    'the API server takes the example %s, with every field',
    async name => {
      const input = snippet(configuration, name)
      await writeFile(join(controlPlane.directory, 'config', `${name}.yaml`), input)
      const strict = ['--server-side', '--validate=strict']
      expect(await controlPlane.kubectl(['apply', ...strict, '-f', '-'], { input })).toContain('serverside-applied')
    },
  )
})

/** What can be run here of a command of kubectl. */
function runnable(words: readonly string[]): readonly string[] {
  const isOption = (word: string, index: number): boolean =>
    word.startsWith('-') || ['-n', '--namespace'].includes(words[index - 1] ?? '')
  const [verb = '', ...rest] = [...words.filter((word, index) => !isOption(word, index)), ...words.filter(isOption)]
  switch (verb) {
    case 'annotate':
    case 'create':
    case 'delete':
    case 'drain':
    case 'label':
    case 'patch':
    case 'uncordon':
      return [...words, '--dry-run=server']
    case 'logs':
      return ['get', ...rest.filter(word => !word.startsWith('--tail'))]
    case 'rollout':
      return rest[0] === 'status' ? [...words, '--watch=false'] : words
    default:
      return words
  }
}

describe('kubectl does what the pages say', () => {
  test('there is something to run', () => expect(ofKubectl.length).toBeGreaterThan(30))

  test.each(ofKubectl)('%s', async (_, [, ...words]) => {
    const args = runnable(inPlace(words))
    await expect(controlPlane.kubectl(args)).resolves.toEqual(expect.any(String))
  })
})

describe('kubectl berth does what the pages say', () => {
  test('there is something to run', () => expect(ofBerth.length).toBeGreaterThan(4))

  test.each(ofBerth)('%s', async (_, [, , ...words]) => {
    const said: string[] = []
    const complaints: string[] = []
    const program = createProgram({
      write: text => void said.push(text),
      complain: text => void complaints.push(text),
      setExitCode: () => {},
      environment: { KUBECONFIG: await controlPlane.kubeconfig() },
      paint: plain,
    })
    await program.parseAsync([...inPlace(words)], { from: 'user' })
    expect(complaints).toEqual([])
    expect(said.join('')).not.toBe('')
  })
})

describe('helm does what the pages say', () => {
  test('there is something to run', () => expect(ofHelm.length).toBeGreaterThan(1))

  test.each(ofHelm)('%s', async (_, [, ...words]) => {
    await expect(helm(...inPlace(words))).resolves.toEqual(expect.any(String))
  })
})

const run = promisify(execFile)

/** Why what follows cannot run; undefined = it can. */
async function whyNot(program: string): Promise<string | undefined> {
  return await run(program, ['--version']).then(
    () => undefined,
    () => `there is no ${program} here`,
  )
}

const noTcpdump = await whyNot('tcpdump')
if (noTcpdump !== undefined) console.warn(`skipped: filters in docs/: ${noTcpdump}`)

describe('what a node or a client is asked exists', () => {
  const filters = commandsBy('tcpdump')
  test.skipIf(noTcpdump !== undefined).each(filters)('tcpdump compiles the filter: %s', async (_, words) => {
    const filter = words.slice(1).filter((word, index) => !word.startsWith('-') && index !== 1)
    const { stdout } = await run('tcpdump', ['-d', '-y', 'EN10MB', filter.join(' ')])
    expect(stdout).toContain('ret')
  })

  test.each(commandsBy('ip'))('%s', async (_, [, ...words]) => {
    await expect(run('ip', words)).resolves.toMatchObject({ stderr: '' })
  })

  const settings = commandsBy('sysctl').flatMap(([, [, ...names]]) => names)
  test.each(settings)('the kernel has the setting %s', name => {
    expect(existsSync(join('/proc/sys', name.replaceAll('.', '/')))).toBe(true)
  })
})
