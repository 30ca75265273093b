import { describe, expect, test } from 'vitest'
import { parseFlags } from './flags.ts'
import { version } from './version.ts'

const program = {
  about: 'tester: tests',
  flags: { port: { hint: 'PORT', text: 'where it listens' }, 'log-level': { hint: 'LEVEL', text: 'how much it says' } },
} as const

function parse(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const parsed = parseFlags(program, args, environment, given => ({
    port: given.number('port', 80, { min: 0, max: 65_535 }),
    logLevel: given.oneOf('log-level', ['info', 'debug'], 'info'),
  }))
  return 'options' in parsed ? parsed.options : parsed.answer
}

describe('nonsense is refused', () => {
  for (const [args, says] of [
    [['--port', '70000'], '--port is a whole number from 0 to 65535, not "70000"'],
    [['--port', '1.5'], '--port is a whole number from 0 to 65535, not "1.5"'],
    [['--port', 'http'], '--port is a whole number from 0 to 65535, not "http"'],
    [['--log-level', 'loud'], '--log-level is one of info, debug, not "loud"'],
    [['--colour', 'red'], "Unknown option '--colour'"],
    [['node-1'], 'Unexpected argument'],
  ] as const) {
    test(args.join(' '), () => {
      expect(parse(args)).toMatchObject({ exitCode: 2, text: expect.stringContaining(says) })
      expect(parse(args)).toMatchObject({ text: expect.stringContaining('--help') })
    })
  }

  test('all of it is said at once', () => {
    expect(parse(['--port=-1', '--log-level', 'x'])).toMatchObject({
      text: expect.stringMatching(/--port.*\n.*--log-level/),
    })
  })
})

describe('OK', () => {
  test('a flag goes before the environment, the environment before the default, and empty is not given', () => {
    expect(parse(['--port', '1'], { BERTH_PORT: '2', BERTH_LOG_LEVEL: '' })).toEqual({ port: 1, logLevel: 'info' })
    expect(parse([], { BERTH_PORT: '2', BERTH_LOG_LEVEL: 'debug' })).toEqual({ port: 2, logLevel: 'debug' })
  })

  test('--version is an answer and no failure', () => {
    expect(parse(['--version'])).toEqual({ exitCode: 0, text: `${version}\n` })
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('--help is an answer and no failure', () => {
    expect(parse(['--help'])).toMatchObject({
      exitCode: 0,
      text: expect.stringMatching(/--port PORT +where it listens/),
    })
  })
})
