/**
 * Prints the interfaces, a JSON line per change. A line of its input is a shell command that it runs without reading what
 * the kernel tells meanwhile.
 */
import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { networkInterfaces } from '../../speaker/netlink/interfaces.ts'
import { openInterfaceMonitor } from '../../speaker/netlink/monitor.ts'

const monitor = openInterfaceMonitor({
  onChange: table => void process.stdout.write(`${JSON.stringify({ interfaces: networkInterfaces(table, []) })}\n`),
  onProblem: text => void process.stdout.write(`${JSON.stringify({ problem: text })}\n`),
})
createInterface({ input: process.stdin })
  .on('line', command => void execFileSync('sh', ['-c', command]))
  .on('close', () => monitor.close())
