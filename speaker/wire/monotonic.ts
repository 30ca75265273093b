/** Milliseconds of the one monotonic clock that all threads share; it stands still while the machine is suspended. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
