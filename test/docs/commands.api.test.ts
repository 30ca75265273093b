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
import { asWritten, commandsOf, type DocumentedCommand, withNames, wordsOf } from './commands.ts'
import { pages } from './pages.ts'
import { snippet, snippets } from './snippets.ts'

/*
 * The commands of all pages run against a real API server on which there is what they speak of: what the chart installs, the
 * objects of docs/configuration.md, two nodes, a Service, a Lease and a session. What would change something runs dry; there
 * are no kubelets, so that logs are asked for their objects only, and test/real-cluster reads them. What changes something
 * and is not dry is run elsewhere: by as-written.api.test.ts, and of docs/migration.md by test/e2e/migrate.net.test.ts.
 */

const migration = 'docs/migration.md'
const elsewhere = new Set([...asWritten(), ...commandsOf(migration)].map(({ text }) => text))
const everywhere = pages()
  .filter(page => page !== migration)
  .flatMap(commandsOf)
  .filter(({ text }) => !elsewhere.has(text))
const commands = [...new Map(everywhere.map(command => [command.text, command])).values()]
const isOfBerth = ({ words }: DocumentedCommand): boolean => words[1] === 'berth'
/** In a sentence a command may stand for all that it is asked, as `kubectl apply`. */
const isWhole = ({ words }: DocumentedCommand): boolean => words.length > 2
const isWholeOfBerth = ({ words }: DocumentedCommand): boolean =>
  /^[a-z]/.test(words[2] ?? '') && words.length > (words[2] === 'explain' ? 3 : 2)
const ofKubectl = commands.filter(command => command.words[0] === 'kubectl' && !isOfBerth(command) && isWhole(command))
const ofBerth = commands.filter(
  command => command.words[0] === 'kubectl' && isOfBerth(command) && isWholeOfBerth(command),
)
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

  test.each(ofKubectl.map(({ text, words }) => [text, words.slice(1)] as const))('%s', async (_, words) => {
    const args = runnable(inPlace(words))
    await expect(controlPlane.kubectl(args)).resolves.toEqual(expect.any(String))
  })
})

describe('kubectl berth does what the pages say', () => {
  test('there is something to run', () => expect(ofBerth.length).toBeGreaterThan(4))

  test.each(ofBerth.map(({ text, words }) => [text, words.slice(2)] as const))('%s', async (_, words) => {
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
  const ofHelm = commands.filter(command => command.words[0] === 'helm' && isWhole(command))
  test('there is something to run', () => expect(ofHelm.length).toBeGreaterThan(1))

  test.each(ofHelm.map(({ text, words }) => [text, words.slice(1)] as const))('%s', async (_, words) => {
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
  const filters = commands
    .filter(({ words }) => words[0] === 'tcpdump')
    .map(({ text, words }) => [text, words] as const)
  test.skipIf(noTcpdump !== undefined).each(filters)('tcpdump compiles the filter: %s', async (_, words) => {
    const filter = words.slice(1).filter((word, index) => !word.startsWith('-') && index !== 1)
    const { stdout } = await run('tcpdump', ['-d', '-y', 'EN10MB', filter.join(' ')])
    expect(stdout).toContain('ret')
  })

  const settings = commands.filter(({ words }) => words[0] === 'sysctl').flatMap(({ words }) => words.slice(1))
  test.each(settings)('the kernel has the setting %s', name => {
    expect(existsSync(join('/proc/sys', name.replaceAll('.', '/')))).toBe(true)
  })
})
