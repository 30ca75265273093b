import { parentPort, workerData } from 'node:worker_threads'
import { mayAnswer } from '../layer2/fence.ts'
import { startBfd } from './bfd.ts'
import { type Cluster, startCluster, unlimited } from './cluster.ts'
import { startLayer2 } from './layer2.ts'
import type { WireCommand, WireReport } from './messages.ts'
import { monotonicMs } from './monotonic.ts'

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
let cluster: Cluster | undefined
let node = ''
const layer2 = startLayer2({
  excluded: excludeInterfaces.map(pattern => new RegExp(pattern)),
  report,
  self: () => node,
  mayAnswer: () => mayAnswer(cluster?.licence ?? unlimited, monotonicMs()),
})
const bfd = startBfd({ report, isOthers: status => cluster?.takeBfd(status) ?? false })

function carryOut(command: WireCommand): void {
  switch (command.kind) {
    case 'announce':
      layer2.announce(command.announcements, command.caution ?? { kind: 'none' })
      break
    case 'caution':
      layer2.setCaution(command.addresses, command.caution)
      break
    case 'knowledge':
      layer2.know(command)
      break
    case 'withdraw':
      for (const address of command.addresses) layer2.withdraw(address)
      break
    case 'bfd':
      bfd.setSessions('main', command.sessions)
      break
    case 'cluster':
      node = command.settings.node
      cluster = startCluster({
        settings: command.settings,
        setSessions: sessions => bfd.setSessions('cluster', sessions),
        onFence: action => layer2.askSegment(action.kind),
        report,
      })
      break
    case 'members':
      cluster?.setMembers(command.members)
      break
    case 'proven':
      cluster?.proven(command.sentMs)
      layer2.proven(command.sentMs)
      break
    case 'alive':
      cluster?.mainLives(command.atMs)
      break
    case 'stop':
      layer2.close()
      cluster?.close()
      // The port is the last handle of the thread: it ends when what was reported has been read.
      void bfd.stop().then(() => port?.close())
  }
}

port.on('message', (command: WireCommand) => {
  cluster?.catchUp()
  carryOut(command)
})
