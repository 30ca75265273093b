import { type Logger, pino } from 'pino'

const flushMs = 50

/**
 * JSON lines on stdout, written in blocks behind the work's back: five thousand decisions a few seconds long must not
 * become five thousand writes, and a reader that stalls must not stall an assignment. `always` stands in every line.
 */
export function createLog(level: string, always: Readonly<Record<string, string>> = {}): Logger {
  const destination = pino.destination({ dest: 1, sync: false, minLength: 8_192, periodicFlush: flushMs })
  // Whatever ends the process, but SIGKILL, leaves its last words.
  process.once('exit', () => destination.flushSync())
  return pino({ level, base: always, timestamp: isoTimestamp() }, destination)
}

/** RFC 3339 with milliseconds; the text of a second is made once. */
function isoTimestamp(): () => string {
  let second = -1
  let prefix = ''
  return () => {
    const nowMs = Date.now()
    const nowSecond = Math.floor(nowMs / 1_000)
    if (nowSecond !== second) {
      second = nowSecond
      prefix = new Date(nowMs).toISOString().slice(0, 20)
    }
    return `,"time":"${prefix}${String(nowMs % 1_000).padStart(3, '0')}Z"`
  }
}
