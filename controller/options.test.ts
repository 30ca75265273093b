import { describe, expect, it } from 'vitest'
import { parseOptions } from './options.ts'

describe('the options of the controller', () => {
  it('come from flags, then environment, then defaults', () => {
    expect(
      parseOptions(['--port', '0', '--namespace=lb'], { BERTH_PORT: '99', BERTH_LOAD_BALANCER_CLASS: 'berth.dev/x' }),
    ).toEqual({
      options: {
        kubeconfig: undefined,
        namespace: 'lb',
        port: 0,
        loadBalancerClass: 'berth.dev/x',
        logLevel: 'info',
        leaseDurationMs: 15_000,
        statusPage: undefined,
      },
    })
  })

  it.for([
    ['--port', '70000'],
    ['--log-level', 'loud'],
    ['--lease-duration', '0'],
    ['--status-page-address', '7474'],
    ['--what', 'ever'],
  ])('refuse %s %s and point to the help', args => {
    expect(parseOptions(args, {})).toMatchObject({ answer: { exitCode: 2, text: expect.stringMatching(/--help/) } })
  })

  it('explain themselves', () => {
    expect(parseOptions(['--help'], {})).toMatchObject({
      answer: { exitCode: 0, text: expect.stringContaining('--load-balancer-class') },
    })
  })
})
