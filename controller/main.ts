import { pino } from 'pino'
import { parseOptions } from './options.ts'
import { runController } from './program.ts'

const options = parseOptions(process.argv.slice(2), process.env)
if ('exitCode' in options) {
  const stream = options.exitCode === 0 ? process.stdout : process.stderr
  stream.write(options.text)
  process.exitCode = options.exitCode
} else {
  const log = pino({ level: options.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  try {
    await runController(options, log, stop.signal)
  } catch (error) {
    log.fatal({ err: error }, 'cannot run')
    process.exitCode = 1
  }
}
