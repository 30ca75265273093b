import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { plain } from './paint.ts'
import { createProgram } from './program.ts'

/* The completion script of bash in a bash, which asks it as it asks when somebody presses Tab. */

async function scriptFor(shell: string): Promise<string> {
  let script = ''
  const program = createProgram({
    write: text => void (script += text),
    complain: text => void (script += text),
    setExitCode: () => {},
    environment: {},
    paint: plain,
  })
  await program.parseAsync(['completion', shell], { from: 'user' })
  return script
}

/** What bash offers behind these words, of which the last is being typed. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const ask = `
    read -r _ _ function _ <<< "$(complete -p kubectl-berth)"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    $function && printf '%s\\n' "\${COMPREPLY[@]}"`
  const bash = ['--norc', '--noprofile', '-c', `${await scriptFor('bash')}${ask}`, 'bash', ...words]
  return execFileSync('bash', bash, { encoding: 'utf8', cwd: import.meta.dirname })
    .split('\n')
    .filter(Boolean)
}

describe('bash completes', () => {
  test.each([
    ['commands', ['kubectl-berth', 'st'], ['status']],
    ['what a command is about', ['kubectl-berth', 'explain', 'serv'], ['service']],
    ['options', ['kubectl-berth', 'preview', '--fi'], ['--filename']],
    ['formats', ['kubectl-berth', 'pools', '-o', 'y'], ['yaml']],
    ['files', ['kubectl-berth', 'validate', '-f', 'completion.t'], ['completion.test.ts', 'completion.ts']],
    ['shells', ['kubectl-berth', 'completion', 'fi'], ['fish']],
  ])('%s', async (_, words, expected) => {
    expect((await offered(...words)).toSorted()).toEqual(expected)
  })

  test('every command where nothing is typed', async () => {
    const words = await offered('kubectl-berth', '')
    expect(words).toEqual(expect.arrayContaining(['status', 'explain', 'pools', 'peers', 'doctor', 'migrate']))
    expect(words.every(word => /^[a-z]+$/.test(word))).toBe(true)
  })
})

test('the script of zsh is that of bash, by zsh’s own way to take it', async () => {
  const [bash, zsh] = await Promise.all(['bash', 'zsh'].map(scriptFor))
  expect(zsh).toBe(`#compdef kubectl-berth\nautoload -U +X bashcompinit && bashcompinit\n${bash}`)
})
