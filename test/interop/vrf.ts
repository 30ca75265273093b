import { createWorld } from '../lab/namespace.ts'

/** Why no VRF can be had here; undefined where one can. */
export async function whyNoVrf(): Promise<string | undefined> {
  const world = await createWorld()
  try {
    const namespace = await world.createNamespace()
    const { code, stderr } = await namespace.exec(['ip', 'link', 'add', 'red', 'type', 'vrf', 'table', '10'])
    return code === 0 ? undefined : `this kernel has no VRF (${stderr.trim()})`
  } finally {
    await world.end()
  }
}
