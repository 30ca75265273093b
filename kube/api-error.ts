import { fieldOf, numberOf, textOf } from './json.ts'

/** The API server answered, and said no. The message is what it said, with the request it was said to. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** The HTTP status, e.g. 409. */
  readonly status: number
  /** `metav1.Status.reason`, e.g. `Conflict`; empty where the answer was none. */
  readonly reason: string
  /** How long the server asks to be left alone. */
  readonly retryAfterSeconds?: number

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message)
    this.status = status
    this.reason = reason
    if (retryAfterSeconds !== undefined) this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The error that an answer stands for: `body` is a `metav1.Status`, or whatever else a proxy on the way made of it. */
export function apiErrorFrom(request: string, status: number, body: string, retryAfter: string | undefined): ApiError {
  const answer = parsed(body)
  const said = textOf(fieldOf(answer, 'message')) || body.slice(0, 300).trim() || 'no explanation'
  const seconds = Number(retryAfter ?? numberOf(fieldOf(fieldOf(answer, 'details'), 'retryAfterSeconds')))
  return new ApiError(
    status,
    textOf(fieldOf(answer, 'reason')) ?? '',
    `${request}: ${status}: ${said}`,
    Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
  )
}

/** Whether the server no longer knows the resourceVersion or the page that was asked for, so that a new list is needed. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  if (error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone') return true
  // A server that was set back to an older state knows only lower numbers than the one we ask for.
  return error.status >= 400 && /too large resource version/i.test(error.message)
}

/** Whether a write was refused because the object had changed in between. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409
}

/** Whether the object is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

/** The pause that the server asked for with this error, in milliseconds; 0 where it asked for none. */
export function retryAfterMs(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
