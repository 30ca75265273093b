import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again and again until the answer is one that `accept` takes, and gives it back; fails with the last answer. For
 * programs that can only be asked and do not tell.
 */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer>,
  accept: (answer: Answer) => boolean,
  withinMs = 15_000,
): Promise<Answer> {
  const startMs = performance.now()
  let last: Answer
  do {
    last = await ask()
    if (accept(last)) return last
    await delay(50)
  } while (performance.now() - startMs < withinMs)
  throw new Error(`${what}: not within ${withinMs} ms; last seen: ${JSON.stringify(last)}`)
}
