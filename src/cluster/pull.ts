import { createInbox, nanos, type Msg, type NatsConnection } from '@nats-io/nats-core'

/** The answer to the server about a message: it is done, must not be delivered again, or should be delivered again after a while. */
export type Verdict = 'ack' | 'term' | { retryAfterMs: number }

export interface Pull {
  stream: string
  consumer: string
  /** How many more messages can be worked on now; called before each request for more. */
  room(): number
  /** Called for each message as it comes. */
  onMessage(message: Msg): void
  /** The pull ends as `silent` when the server sends nothing for this long. The server's heartbeats come every third of it. */
  silenceMs?: number
}

/** Why a pull ended: the consumer or stream is missing, the server refused or went silent, the connection closed, or the signal aborted. */
export type PullEnd = 'missing' | 'refused' | 'silent' | 'closed' | 'aborted'

/** A running pull. Call `more()` when there is room again. */
export interface RunningPull {
  more(): void
  ended: Promise<PullEnd>
}

const expiresMs = 30_000
const heartbeat = 100
const requestExpired = 408

/**
 * Asks a pull consumer for as many messages as there is room for, again and again, one request at a time. It replaces the client library's
 * own `consume`, which waits 30 s when a consumer is missing, and counts delivered messages instead of those being worked on.
 */
export function startPull(nc: NatsConnection, pull: Pull, signal: AbortSignal): RunningPull {
  const silenceMs = pull.silenceMs ?? 6_000
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${pull.stream}.${pull.consumer}`
  const inbox = createInbox()
  const { promise: ended, resolve } = Promise.withResolvers<PullEnd>()
  let asked = 0
  let heardAt = performance.now()
  let over = false

  const end = (why: PullEnd): void => {
    if (over) return
    over = true
    clearInterval(silence)
    signal.removeEventListener('abort', onAbort)
    if (!nc.isClosed()) subscription.unsubscribe()
    resolve(why)
  }
  const onAbort = (): void => end('aborted')
  const more = (): void => {
    if (over || asked > 0) return
    const batch = pull.room()
    if (batch <= 0) return
    asked = batch
    heardAt = performance.now()
    const request = { batch, expires: nanos(expiresMs), idle_heartbeat: nanos(silenceMs / 3) }
    nc.publish(subject, JSON.stringify(request), { reply: inbox })
  }
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) return end('closed')
      heardAt = performance.now()
      const code = message.headers?.code ?? 0
      if (code === 0) {
        asked -= 1
        pull.onMessage(message)
      } else if (code !== heartbeat) {
        asked = 0
        if (code !== requestExpired) return end(isGone(message) ? 'missing' : 'refused')
      }
      if (asked <= 0) more()
    },
  })
  const silence = setInterval(() => {
    if (asked > 0 && performance.now() - heardAt > silenceMs) end('silent')
  }, silenceMs / 3)

  void nc.closed().then(() => end('closed'))
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  more()
  return { more, ended }
}

/** Answers a message. False when the connection that brought it is gone; the server will then deliver it again. */
export function answer(message: Msg, verdict: Verdict | 'working'): boolean {
  try {
    return message.respond(verdictText(verdict))
  } catch {
    return false
  }
}

function verdictText(verdict: Verdict | 'working'): string {
  if (verdict === 'ack') return '+ACK'
  if (verdict === 'term') return '+TERM'
  if (verdict === 'working') return '+WPI'
  return `-NAK ${JSON.stringify({ delay: nanos(verdict.retryAfterMs) })}`
}

/** 503: no server answers for this consumer. 409 has many meanings; of those, only a deletion means that it must be created again. */
function isGone({ headers }: Msg): boolean {
  return headers?.code === 503 || (headers?.code === 409 && /deleted/i.test(headers.description))
}
