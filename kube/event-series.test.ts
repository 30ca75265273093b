import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dueMs, maxNoteBytes, type Series, seriesKey, seriesWriteEveryMs, shortenNote } from './event-series.ts'

const event = {
  regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'web', uid: 'u' },
  type: 'Normal',
  reason: 'AddressAssigned',
  action: 'Assign',
  note: 'assigned 192.0.2.1',
} as const

const series = (over: Partial<Series>): Series => ({
  key: seriesKey(event),
  event,
  name: 'web.1',
  count: 1,
  written: 0,
  firstMs: 1_000,
  lastMs: 1_000,
  writtenMs: 0,
  ...over,
})

describe('repeats of an Event', () => {
  it('are the same thing only with the same object, words and type', () => {
    expect(seriesKey({ ...event })).toBe(seriesKey(event))
    expect(seriesKey({ ...event, note: 'assigned 192.0.2.2' })).not.toBe(seriesKey(event))
    expect(seriesKey({ ...event, regarding: { ...event.regarding, uid: 'other' } })).not.toBe(seriesKey(event))
  })

  it('are told at the first, then once in a while', () => {
    expect(dueMs(series({}))).toBe(1_000)
    expect(dueMs(series({ written: 1 }))).toBeUndefined()
    expect(dueMs(series({ count: 2, written: 1, lastMs: 5_000, writtenMs: 1_000 }))).toBe(5_000)
    const later = series({ count: 9, written: 2, lastMs: 6_000, writtenMs: 5_000 })
    expect(dueMs(later)).toBe(5_000 + seriesWriteEveryMs)
  })
})

describe('a note', () => {
  it('that fits stays as it is', () => {
    expect(shortenNote('short')).toBe('short')
  })

  it('that is too long is cut behind a word', () => {
    const note = shortenNote('word '.repeat(400))
    expect(note.endsWith('word…')).toBe(true)
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(maxNoteBytes)
  })

  it('of any text fits, is a beginning of it, and holds no broken character', () => {
    const part = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(' '), fc.constant('ü'.repeat(300)))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), parts => {
        const text = parts.join('').replaceAll('\uFFFD', '')
        const note = shortenNote(text)
        expect(Buffer.byteLength(note)).toBeLessThanOrEqual(maxNoteBytes)
        expect(text.startsWith(note.replace(/…$/, ''))).toBe(true)
      }),
    )
  })
})
