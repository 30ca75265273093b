import { once } from 'node:events'
import { connect } from 'node:net'

/**
 * A daemon of FRR, asked as vtysh asks it but over one connection: a program started for every question would take more
 * of the machine than what is measured.
 */
export interface Vty {
  ask(command: string): Promise<string>
  close(): void
}

/** Opens `<daemon>.vty`: commands go there with a zero octet behind each, answers end in three zeros and a result. */
export async function openVty(path: string): Promise<Vty> {
  const socket = connect(path)
  await once(socket, 'connect')
  let heard = Buffer.alloc(0)
  let answered: ((text: string) => void) | undefined
  let before: Promise<unknown> = Promise.resolve()
  socket.on('data', (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk])
    const end = heard.length - 4
    if (end < 0 || heard.readUIntBE(end, 3) !== 0) return
    const text = heard.subarray(0, end).toString()
    heard = Buffer.alloc(0)
    answered?.(text)
  })
  const put = (command: string): Promise<string> =>
    new Promise((resolve, reject) => {
      socket.once('close', () => reject(new Error(`${path} closed while it was asked: ${command}`)))
      answered = text => {
        socket.removeAllListeners('close')
        resolve(text)
      }
      socket.write(`${command}\0`)
    })
  const vty: Vty = {
    ask(command) {
      const answer = before.then(() => put(command))
      before = answer.catch(() => undefined)
      return answer
    },
    close: () => void socket.destroy(),
  }
  socket.on('error', () => {})
  await vty.ask('enable')
  return vty
}
