import { loadCredentials } from '../kube/credentials.ts'
import { createTransport } from '../kube/transport.ts'
import { createLog } from '../program/log.ts'
import { version } from '../program/version.ts'
import type { ClusterOptions } from './cluster-feed.ts'
import { readFlags, type SpeakerFlags } from './flags.ts'
import { createSpeakerHttp } from './http.ts'
import { readKeyFile } from './key-file.ts'
import { saveMemory } from './memory.ts'
import { createSpeaker } from './speaker.ts'
import { startWire } from './wire/wire.ts'

// Flags, wiring, signals; no decisions.

async function main(flags: SpeakerFlags): Promise<void> {
  const log = createLog(flags.logLevel, { node: flags.nodeName })
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'asked to stop')
      stop.abort()
    })
  }
  const transport = createTransport(await loadCredentials(flags.kubeconfig), { userAgent: 'berth-speaker' })
  const { nodeName: node, ...options } = flags
  const cluster = await clusterOf(flags)
  if (!cluster) log.warn('without --speaker-key-file the death of a node is noticed when its Lease is over')
  const speaker = createSpeaker({ ...options, node, transport, cluster, startWire, log })
  const http = flags.port === 0 ? undefined : await createSpeakerHttp(speaker.health)
  try {
    await http?.listen({ host: '::', port: flags.port })
    log.info({ version, namespace: flags.namespace, port: flags.port }, 'starting')
    await speaker.run(stop.signal)
    log.info('stopped')
  } catch (error) {
    log.fatal({ err: error }, 'cannot go on')
    process.exitCode = 1
  } finally {
    await http?.close()
    transport.close()
  }
}

async function clusterOf(flags: SpeakerFlags): Promise<ClusterOptions | undefined> {
  if (flags.speakerKeyFile === undefined) return undefined
  const { speakerPort: port, speakerIntervalMs: intervalMs, speakerMultiplier: detectMultiplier } = flags
  return { key: await readKeyFile(flags.speakerKeyFile), port, intervalMs, detectMultiplier }
}

saveMemory()

const parsed = readFlags(process.argv.slice(2), process.env)
if ('answer' in parsed) {
  const { text, exitCode } = parsed.answer
  const stream = exitCode === 0 ? process.stdout : process.stderr
  stream.write(text)
  process.exitCode = exitCode
} else {
  await main(parsed.options)
}
