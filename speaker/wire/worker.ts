import { parentPort, workerData } from 'node:worker_threads'
import { startLayer2 } from './layer2.ts'
import type { WireCommand, WireReport } from './messages.ts'

/** What `startWire` hands to the thread. */
export interface WireWorkerData {
  /** Regular expressions over names of interfaces. */
  readonly excludeInterfaces: readonly string[]
}

// The thread that answers the segment. It parses no JSON and talks to no API server, so that nothing delays an answer.
const port = parentPort
if (!port) throw new Error('speaker/wire/worker.ts runs as a worker thread, started by startWire')
const { excludeInterfaces } = workerData as WireWorkerData

const layer2 = startLayer2({
  excluded: excludeInterfaces.map(pattern => new RegExp(pattern)),
  report: (report: WireReport) => port.postMessage(report),
})

port.on('message', (command: WireCommand) => {
  switch (command.kind) {
    case 'announce':
      layer2.announce(command.announcements)
      break
    case 'withdraw':
      layer2.withdraw(command.addresses)
      break
    case 'stop':
      layer2.close()
      // The last handle of the thread: it ends when what was reported has been read.
      port.close()
  }
})
