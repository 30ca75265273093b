import { expect, test } from 'vitest'
import { readFlags } from './flags.ts'

function flags(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const result = readFlags(args, environment)
  return 'options' in result ? result.options : result.answer
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
    bgpDwellSeconds: 2,
    speakerKeyFile: undefined,
    speakerPort: 7947,
    speakerIntervalMs: 100,
    speakerMultiplier: 3,
    drain: { cordoned: false, taints: [] },
    kubeProxyHealthz: undefined,
  })
})

test('taints that drain a node, and the port of kube-proxy, by environment', () => {
  const environment = {
    BERTH_DRAIN: 'cordon,maintenance:NoSchedule',
    BERTH_KUBE_PROXY_HEALTHZ: 'http://127.0.0.1:10256/healthz',
  }
  expect(flags([], environment)).toMatchObject({
    drain: { cordoned: true, taints: [{ key: 'maintenance', value: undefined, effect: 'NoSchedule' }] },
    kubeProxyHealthz: new URL('http://127.0.0.1:10256/healthz'),
  })
})

test.each([
  { args: ['--drain', 'never,cordon'], text: 'never stands alone' },
  { args: ['--drain', 'a b'], text: '"a b" is no taint' },
  { args: ['--kube-proxy-healthz', '10256'], text: 'http://127.0.0.1:10256/healthz, not "10256"' },
  { args: ['--kube-proxy-healthz', 'https://127.0.0.1:10256/healthz'], text: 'not "https:' },
])('$args is refused', ({ args, text }) => {
  expect(flags(args)).toMatchObject({ exitCode: 2, text: expect.stringContaining(text) })
})

test('a Lease that one late renewal would end is refused', () => {
  expect(flags(['--lease-duration', '4'])).toMatchObject({
    exitCode: 2,
    text: expect.stringContaining('at least two and a half times --renew-period'),
  })
})

test('--help names the flags', () => {
  expect(flags(['--help'])).toMatchObject({ exitCode: 0, text: expect.stringContaining('--hand-over-timeout') })
})
