import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { buildRawsock } from './build.ts'
import { raiseThreadPriority, resetThreadPriority } from './priority.ts'
import { scheduleThread } from './rawsock.ts'

const supported = process.platform === 'linux'
if (!supported) process.stderr.write('speaker/rawsock/priority.net.test.ts is skipped: this is not Linux\n')

/** Nice level, real-time priority and policy, as the kernel shows them of the thread that reads. */
function scheduling(): { readonly nice: number; readonly priority: number; readonly policy: number } {
  const fields = readFileSync('/proc/thread-self/stat', 'utf8').split(') ')[1]?.split(' ') ?? []
  const [nice = 0, priority = 0, policy = 0] = [16, 37, 38].map(index => Number(fields[index]))
  return { nice, priority, policy }
}

describe.skipIf(!supported)('the priority of a thread', () => {
  beforeAll(async () => void (await buildRawsock()))

  test('is what it says that it is, and goes back', () => {
    const before = scheduling()
    const now = raiseThreadPriority()
    const expected = {
      'real time': { ...before, priority: 1, policy: 2 },
      raised: { ...before, nice: -20 },
      ordinary: before,
    }
    expect(scheduling()).toEqual(expected[now])
    resetThreadPriority()
    expect(scheduling()).toEqual(before)
  })

  test('nonsense is refused', () => {
    expect(() => scheduleThread(2, 1_000)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => scheduleThread(0.5, 0)).toThrow(TypeError)
  })
})
