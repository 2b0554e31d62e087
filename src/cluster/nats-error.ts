import { RequestError, TimeoutError } from '@nats-io/nats-core'
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'

/** A NATS error in words that an operator can use. */
export function explain(error: unknown): string {
  if (error instanceof TimeoutError) return 'no answer in time'
  if (error instanceof RequestError && error.isNoResponders()) return 'no server responds'
  if (error instanceof JetStreamApiError && error.code === 10008) return 'its servers have no quorum (10008)'
  if (error instanceof JetStreamApiError) return `${error.message} (${error.code})`
  if (error instanceof Error) return error.message === '' ? error.name : error.message
  return String(error)
}

/** A compare-and-set found another revision than it expected. */
export function isStale(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  )
}

/** The stream, the consumer or the message asked for does not exist. */
export function isMissing(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamNotFound ||
      error.code === JetStreamApiCodes.ConsumerNotFound ||
      error.code === JetStreamApiCodes.NoMessageFound)
  )
}

/** A stream of that name exists already, with other settings. */
export function isTaken(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === 10058
}

/** That many replicas need more servers than there are (10074: than there can be, since the server runs alone). */
export function isShortOfServers(error: unknown): boolean {
  return error instanceof JetStreamApiError && [10005, 10023, 10074].includes(error.code)
}
