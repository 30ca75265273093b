import { setFlagsFromString } from 'node:v8'
import { createLog } from './log.ts'
import { parseOptions } from './options.ts'
import { runController } from './program.ts'

// What lives in memory is small (20 MB for 5,000 Services), what passes through is much. Left alone, V8 lets the garbage
// of a burst grow to ten times what lives before it looks; in this mode it looks sooner, for a few percent of the time.
setFlagsFromString('--memory-saver-mode')

const options = parseOptions(process.argv.slice(2), process.env)
if ('exitCode' in options) {
  const stream = options.exitCode === 0 ? process.stdout : process.stderr
  stream.write(options.text)
  process.exitCode = options.exitCode
} else {
  const log = createLog(options.logLevel)
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  try {
    await runController(options, log, stop.signal)
  } catch (error) {
    log.fatal({ err: error }, 'cannot run')
    process.exitCode = 1
  }
}
