/**
 * What the addon's file is called for the machine that this process runs on, such as `rawsock-x64-glibc.node`: one build
 * per processor and C library, so that all of them can lie in one folder.
 */
export function addonFileName(): string {
  return addonFileNameFor(process.arch, usesGlibc() ? 'glibc' : 'musl')
}

/** The same for another machine. */
export function addonFileNameFor(processor: string, library: 'glibc' | 'musl'): string {
  return `rawsock-${processor}-${library}.node`
}

function usesGlibc(): boolean {
  // A switch that @types/node does not know yet.
  const report = process.report as typeof process.report & { excludeNetwork: boolean }
  // Without this the report asks the resolver for the name of every open connection's peer.
  const before = report.excludeNetwork
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  report.excludeNetwork = before
  return header?.glibcVersionRuntime !== undefined
}
