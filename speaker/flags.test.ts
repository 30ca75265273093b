import { expect, test } from 'vitest'
import { readFlags } from './flags.ts'

function flags(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const result = readFlags(args, environment)
  return 'flags' in result ? result.flags : result
}

test('without any, the defaults of a pod', () => {
  expect(flags(['--node-name', 'node-1'])).toEqual({
    kubeconfig: undefined,
    namespace: 'berth-system',
    nodeName: 'node-1',
    port: 7473,
    logLevel: 'info',
    leaseDurationSeconds: 10,
    renewPeriodSeconds: 3,
    handOverTimeoutSeconds: 5,
  })
})

test('a flag goes before the environment, the environment before the default', () => {
  const environment = { BERTH_NODE_NAME: 'node-2', BERTH_PORT: '0', BERTH_LOG_LEVEL: '' }
  expect(flags(['--port', '9000'], environment)).toMatchObject({ nodeName: 'node-2', port: 9000, logLevel: 'info' })
})

test.each([
  { args: ['--port', '70000'], says: '--port is a whole number from 0 to 65535, not "70000"' },
  { args: ['--port', 'http'], says: '--port is a whole number from 0 to 65535, not "http"' },
  { args: ['--log-level', 'loud'], says: '--log-level is one of' },
  { args: ['--lease-duration', '4'], says: 'at least two and a half times --renew-period' },
  { args: ['--colour', 'red'], says: "Unknown option '--colour'" },
  { args: ['node-1'], says: 'Unexpected argument' },
])('$args is refused, with the help', ({ args, says }) => {
  const result = flags(args)
  expect(result).toMatchObject({ exitCode: 2, answer: expect.stringContaining(says) })
  expect(result).toMatchObject({ answer: expect.stringContaining('BERTH_HAND_OVER_TIMEOUT') })
})

test('--help is an answer and no failure', () => {
  expect(flags(['--help'])).toMatchObject({ exitCode: 0, answer: expect.stringContaining('--node-name') })
})
