import { createLog } from '../program/log.ts'
import { parseOptions } from './options.ts'
import { runController } from './program.ts'

const parsed = parseOptions(process.argv.slice(2), process.env)
if ('answer' in parsed) {
  const { text, exitCode } = parsed.answer
  const stream = exitCode === 0 ? process.stdout : process.stderr
  stream.write(text)
  process.exitCode = exitCode
} else {
  const { options } = parsed
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
