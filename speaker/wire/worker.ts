import { parentPort, workerData } from 'node:worker_threads'
import { startBfd } from './bfd.ts'
import { startLayer2 } from './layer2.ts'
import type { WireCommand, WireReport } from './messages.ts'

/** What `startWire` hands to the thread. */
export interface WireWorkerData {
  /** Regular expressions over names of interfaces. */
  readonly excludeInterfaces: readonly string[]
}

// The thread that answers the segment and keeps BFD's pace. It parses no JSON and talks to no API server, so that nothing
// delays an answer or a heartbeat.
const port = parentPort
if (!port) throw new Error('speaker/wire/worker.ts runs as a worker thread, started by startWire')
const { excludeInterfaces } = workerData as WireWorkerData

const report = (message: WireReport): void => port.postMessage(message)
const layer2 = startLayer2({ excluded: excludeInterfaces.map(pattern => new RegExp(pattern)), report })
const bfd = startBfd({ report })

port.on('message', (command: WireCommand) => {
  switch (command.kind) {
    case 'announce':
      layer2.announce(command.announcements)
      break
    case 'withdraw':
      layer2.withdraw(command.addresses)
      break
    case 'probe':
      layer2.probe(command)
      break
    case 'bfd':
      bfd.setSessions(command.sessions)
      break
    case 'stop':
      layer2.close()
      // The port is the last handle of the thread: it ends when what was reported has been read.
      void bfd.stop().then(() => port.close())
  }
})
