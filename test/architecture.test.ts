import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

interface LintOverride {
  readonly files: readonly string[]
  readonly rules: Readonly<Record<string, unknown>>
}

/** The files that .oxlintrc.json declares to be codecs and decisions: the linter keeps shells out of each, directly. */
const lint = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as {
  readonly overrides: readonly LintOverride[]
}
const pureGlobs = lint.overrides
  .filter(override => 'no-restricted-imports' in override.rules)
  .flatMap(override => override.files)
const sources = globSync('{net,page,program,crds,kube,controller,speaker,cli}/**/*.ts', { cwd: root }).filter(
  file => !file.endsWith('.test.ts'),
)
const pure = new Set(
  globSync([...pureGlobs], { cwd: root }).filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts')),
)

/** What a file imports at run time; types leave no trace there. */
function imports(file: string): readonly string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const statements = text.matchAll(/^(?:import|export)\s(?!type\b)(?:[\w\s{},*$]*?\sfrom\s)?\s*'([^']+)'/gm)
  return Array.from(statements, ([, specifier = '']) => specifier)
}

test('the linter’s list of pure files matches files that exist', () => {
  expect(pure.size).toBeGreaterThan(10)
  const dead = pureGlobs.filter(glob => globSync(glob, { cwd: root }).length === 0)
  expect(dead).toEqual([])
})

test('codecs and decisions import nothing but codecs and decisions', () => {
  const leaks = [...pure].flatMap(file =>
    imports(file)
      .filter(specifier => specifier.startsWith('.'))
      .map(specifier => relative(root, join(root, dirname(file), specifier)))
      .filter(imported => !pure.has(imported))
      .map(imported => `${file} imports ${imported}`),
  )
  expect(leaks).toEqual([])
})

test('only kube/ talks to the API server, and only rawsock/ loads native code', () => {
  const clients = sources.filter(file =>
    imports(file).some(specifier => /^(node:https|@kubernetes\/client-node)$/.test(specifier)),
  )
  expect(clients.filter(file => !file.startsWith('kube/'))).toEqual([])
  const native = sources.filter(file => /\bdlopen\b|createRequire/.test(readFileSync(join(root, file), 'utf8')))
  expect(native.filter(file => !file.startsWith('speaker/rawsock/'))).toEqual([])
})

test('the programs do not import each other', () => {
  const program = (file: string) => file.split('/')[0] ?? ''
  const crossings = sources
    .filter(file => ['controller', 'speaker'].includes(program(file)))
    .flatMap(file =>
      imports(file)
        .filter(specifier => specifier.startsWith('.'))
        .map(specifier => relative(root, join(root, dirname(file), specifier)))
        .filter(
          imported => ['controller', 'speaker'].includes(program(imported)) && program(imported) !== program(file),
        )
        .map(imported => `${file} imports ${imported}`),
    )
  expect(crossings).toEqual([])
})
