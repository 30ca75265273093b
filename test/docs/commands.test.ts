import { describe, expect, test } from 'vitest'
import { plain } from '../../cli/paint.ts'
import { createProgram } from '../../cli/program.ts'
import { definitions } from '../crd-definitions.ts'
import { commandsOf, type DocumentedCommand, withNames, wordsOf } from './commands.ts'
import { pages } from './pages.ts'

/* The commands in docs/: that there is such a command, such an option, such a kind. Those of kubectl are run by commands.api.test.ts. */

const all = pages().flatMap(commandsOf)
const ofBerth = all.flatMap(command => {
  const [program, first, ...rest] = command.words
  if (program === 'kubectl-berth') return [{ ...command, words: [first ?? '', ...rest] }]
  return program === 'kubectl' && first === 'berth' ? [{ ...command, words: rest }] : []
})
const ofKubectl = all.filter(({ words }) => words[0] === 'kubectl' && words[1] !== 'berth')

/** `kubectl berth` as such, or any COMMAND of it, is none. */
const isCommand = ({ words }: DocumentedCommand): boolean => /^[a-z]/.test(words[0] ?? '')

test('commands are found', () => {
  expect(ofBerth.filter(isCommand).length).toBeGreaterThan(10)
  expect(ofKubectl.length).toBeGreaterThan(30)
})

test('words are apart as in a shell', () => {
  const line = `kubectl get a -o jsonpath='{"\\n"} {x}' "b c" d # said`
  expect(wordsOf(line)).toEqual(['kubectl', 'get', 'a', '-o', String.raw`jsonpath={"\n"} {x}`, 'b c', 'd'])
  expect(wordsOf('kubectl get a | grep b > c')).toEqual(['kubectl', 'get', 'a'])
})

const title = ({ page, text }: DocumentedCommand): string => `${page}: ${text}`

describe('kubectl berth has the command, its options and its arguments', () => {
  test.each(ofBerth.filter(isCommand).map(command => [title(command), command.words] as const))('%s', (_, words) => {
    const nothing = (): void => {}
    const program = createProgram({
      write: nothing,
      complain: nothing,
      setExitCode: nothing,
      environment: {},
      paint: plain,
    })
    let command = program
    let rest = withNames(words)
    for (;;) {
      const inner = command.commands.find(one => one.name() === rest[0])
      if (!inner) break
      command = inner
      rest = rest.slice(1)
    }
    expect(command, `no command ${words.join(' ')}`).not.toBe(program)
    const { operands, unknown } = command.parseOptions([...rest])
    expect(unknown.filter(word => word !== '--help')).toEqual([])
    const known = command.registeredArguments
    expect(operands.length).toBeLessThanOrEqual(known.some(({ variadic }) => variadic) ? Infinity : known.length)
    // A command that is only mentioned has no arguments.
    const least = rest.length === 0 ? 0 : known.filter(({ required }) => required).length
    expect(operands.length).toBeGreaterThanOrEqual(least)
  })
})

describe('kubectl knows the verb, and the cluster the kind', () => {
  const verbs =
    'annotate api-resources apply auth autoscale cluster-info config cordon cp create debug delete describe diff drain edit events exec explain expose get kustomize label logs patch port-forward replace rollout run scale set taint top uncordon version wait'
  const core =
    'configmap configmaps crd daemonset daemonsets deployment deployments endpointslices events lease leases namespace namespaces networkpolicies node nodes pod pods secret secrets service services svc'
  const own = definitions.flatMap(({ spec }) => {
    const { kind, plural, shortNames } = spec.names
    return [kind.toLowerCase(), plural, ...shortNames]
  })
  const kinds = new Set([...core.split(' '), ...own, 'berth'])
  const aboutKinds = ['annotate', 'delete', 'describe', 'edit', 'explain', 'get', 'label', 'patch']

  test.each(ofKubectl.map(command => [title(command), command.words] as const))('%s', (_, [, ...words]) => {
    const operands = withoutOptions(words)
    const [verb = '', target = ''] = operands
    expect(verbs.split(' ')).toContain(verb)
    if (!aboutKinds.includes(verb) || target === '') return
    // Of kinds with a group, others than ours are somebody else's.
    const named = target
      .split(',')
      .filter(one => !one.includes('.') || one.includes('.berth.dev') || verb === 'explain')
      .map(one => one.split(/[/.]/)[0] ?? '')
    expect(named.filter(one => !kinds.has(one.toLowerCase()))).toEqual([])
  })
})

/** What is left of kubectl's words without options and the values of those that take one. */
function withoutOptions(words: readonly string[]): readonly string[] {
  const taking = ['-n', '--namespace', '-l', '-o', '-f', '--field-selector', '--type', '--patch', '-p', '--filename']
  return words.filter((word, index) => !word.startsWith('-') && !taking.includes(words[index - 1] ?? ''))
}
