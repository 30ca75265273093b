#!/usr/bin/env node
import { paintFor } from './paint.ts'
import { createProgram } from './program.ts'

const { env, stdout, stderr } = process
// Whoever reads only the first lines (`| head`) closes the pipe.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
const program = createProgram({
  write: text => stdout.write(text),
  complain: text => stderr.write(text),
  setExitCode: code => (process.exitCode = code),
  environment: env,
  paint: paintFor(stdout.isTTY, env),
})
program.parseAsync().catch((error: unknown) => {
  stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
