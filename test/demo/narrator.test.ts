import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createNarrator, wrap } from './narrator.ts'

describe('the narrator', () => {
  it('writes no escape sequences where there is no terminal', async () => {
    const stream = new PassThrough()
    const narrator = createNarrator(stream as unknown as NodeJS.WriteStream)
    narrator.step('A step')
    narrator.command('kubectl get nodes')
    narrator.output('NAME\nnode-1\n')
    expect(await narrator.meanwhile(Promise.resolve(1), () => 'waiting')).toBe(1)
    narrator.failed('It broke.\nMend it.')
    const text = String(stream.read())
    expect(text).toBe('\n 1 A step\n\n   $ kubectl get nodes\n   NAME\n   node-1\n\n ✗ It broke.\n   Mend it.\n')
  })

  it('breaks lines at spaces and never drops a long word', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
    expect(wrap('extraordinary', 5)).toEqual(['extraordinary'])
  })
})
