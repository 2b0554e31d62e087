import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Log } from '../core/ports.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'

/** A message that repeats is passed on once in this time (a minute). */
const repeatMs = 60_000
/** A failing route is tried again every second or so, so a message older than this is out of date. */
const routeTroubleMs = 10_000

/** Passes a nats-server's standard error on to our log, and remembers the messages that show the state of the server. */
export class NatsServerLog {
  readonly #log: Log
  readonly #clock: Pick<SteadyClock, 'steadyMs'>
  readonly #saidAt = new Map<string, number>()
  /** When each route last failed. */
  readonly #routesAt = new Map<string, number>()
  #lastError = ''
  #route: { text: string; atMs: number } | null = null

  constructor(log: Log, clock: Pick<SteadyClock, 'steadyMs'> = steadyClock) {
    this.#log = log
    this.#clock = clock
  }

  /** The last error of the server that `follow` follows now; empty when there was none. */
  get lastError(): string {
    return this.#lastError
  }

  /** The latest message about a route that cannot be established; null when there was none lately. */
  routeTrouble(): string | null {
    if (this.#route === null || this.#clock.steadyMs() - this.#route.atMs > routeTroubleMs) return null
    return this.#route.text
  }

  /** Reads a new server's standard error to its end. */
  follow(stream: Readable, onReady: () => void): void {
    this.#lastError = ''
    createInterface({ input: stream }).on('line', (line) => this.read(line, onReady))
  }

  /** Reads one line. */
  read(line: string, onReady: () => void): void {
    const [, level = '', text = ''] = /\[(INF|WRN|ERR|FTL|DBG|TRC)\] (.*)$/.exec(line) ?? ['', 'WRN', line]
    if (level === 'ERR' || level === 'FTL') this.#noteError(text)
    else if (level === 'INF' || level === 'DBG') this.#log.debug({}, text.trim())
    // The warning about plaintext passwords is dropped: the configuration is 0600, and this password guards loopback only.
    else if (!text.startsWith('Plaintext passwords') && !this.#isRepeated(text)) this.#log.warn({}, text)
    if (text === 'Server is ready') onReady()
  }

  #noteError(text: string): void {
    if (/\brid:\d+|\broute\b/i.test(text)) return this.#noteRoute(text)
    this.#lastError = text
    if (this.#isRepeated(text)) this.#log.debug({}, text)
    else this.#log.error({}, text)
  }

  /**
   * A server dials a missing node every second or so. One line for the whole absence is enough, since its meaning for the cluster is
   * reported elsewhere. The next line is due once this route has not failed for a minute.
   */
  #noteRoute(text: string): void {
    const atMs = this.#clock.steadyMs()
    this.#route = { text, atMs }
    for (const [route, failedAtMs] of this.#routesAt)
      if (atMs - failedAtMs > repeatMs) this.#routesAt.delete(route)
    // A dial names its target. A connection that came in has another port each time, so its digits are masked.
    const attempt = / \(attempt \d+\)/
    const route = attempt.test(text) ? text.replace(attempt, '') : text.replaceAll(/\d+/g, '#')
    if (this.#routesAt.has(route)) this.#log.debug({}, text)
    else
      this.#log.warn(
        { reason: text },
        'a route to another nats-server fails; it is tried again until it works',
      )
    this.#routesAt.set(route, atMs)
  }

  /** Whether this text was said within the last minute, apart from its digits (ports and counters). */
  #isRepeated(text: string): boolean {
    const nowMs = this.#clock.steadyMs()
    for (const [said, atMs] of this.#saidAt) if (nowMs - atMs > repeatMs) this.#saidAt.delete(said)
    const what = text.replaceAll(/\d+/g, '#')
    if (this.#saidAt.has(what)) return true
    this.#saidAt.set(what, nowMs)
    return false
  }
}
