import { startControlPlane } from './control-plane.ts'

/** `npm run control-plane`: one to play with, until Ctrl-C. */
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

try {
  const started = performance.now()
  await using controlPlane = await startControlPlane({
    controllerManager: true,
    scheduler: true,
    signal: stop.signal,
    progress: console.log,
  })
  console.log(`Ready at ${controlPlane.url} after ${((performance.now() - started) / 1000).toFixed(1)} s. In another terminal:

  export KUBECONFIG=${await controlPlane.kubeconfig()}

Its logs and data are in ${controlPlane.directory}. Ctrl-C ends it and removes them.`)
  await new Promise(resolve => {
    const alive = setInterval(() => {}, 60_000)
    stop.signal.addEventListener('abort', () => resolve(clearInterval(alive)))
  })
} catch (error) {
  if (!stop.signal.aborted) throw error
}
