import { defineConfig } from 'vitest/config'

/**
 * unit: pure code, no network, no processes, seconds.
 * simulation: whole clusters of speakers in virtual time, thousands of schedules, minutes.
 * api:  a real etcd and kube-apiserver on loopback.
 * net:  network namespaces, raw sockets, real kube-proxy; skipped with the reason where they cannot be had.
 */

// Real daemons on a shared machine that can stall for a second: in CI such a test may have a second try, and the output
// tells which one took it. At a desk every failure is shown at once.
const retry = process.env['CI'] === 'true' ? 1 : 0

export default defineConfig({
  test: {
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{net,page,program,crds,kube,controller,speaker,cli,image,test}/**/*.test.ts'],
          exclude: ['**/*.api.test.ts', '**/*.net.test.ts', '**/*.sim.test.ts'],
          // Property tests on a machine that has other work: a guard against what never ends, not a measurement.
          testTimeout: 60_000,
        },
      },
      { test: { name: 'simulation', include: ['test/**/*.sim.test.ts'], testTimeout: 600_000 } },
      {
        test: {
          name: 'api',
          include: ['**/*.api.test.ts'],
          exclude: ['node_modules'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          retry,
        },
      },
      {
        test: {
          name: 'net',
          include: ['**/*.net.test.ts'],
          exclude: ['node_modules'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          retry,
        },
      },
    ],
  },
})
