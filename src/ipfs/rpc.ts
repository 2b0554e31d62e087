import { StringDecoder } from 'node:string_decoder'
import { Pool, type Dispatcher } from 'undici'
import { IpfsError } from '../core/ipfs-error.ts'
import { kuboDown, kuboError } from './kubo-errors.ts'
import { readErrorMessage } from './kubo-answers.ts'

/** The longest silence of a working Kubo: even a pin that finds nothing sends a line every half second. */
const silenceMs = 60_000

/** No time limits, for calls during which Kubo sends nothing. */
const forever = { headersTimeout: 0, bodyTimeout: 0 }

/** No line and no short answer of Kubo is longer than this. */
const maxTextChars = 4 * 1024 * 1024

/** Kubo's HTTP RPC, reduced to what the adapter needs. Every call rejects with `IpfsError`, or with the signal's reason. */
export interface Rpc extends AsyncDisposable {
  /** Returns the whole of a short answer, also when it is an error. */
  ask(path: string, signal: AbortSignal): Promise<Answer>
  /** Like `ask`, but parsed. Rejects when the answer is not a success. */
  call(path: string, signal: AbortSignal): Promise<unknown>
  /** Calls `onLine` with each line of a success, parsed, as it arrives. Resolves when Kubo ended the answer without an error. */
  lines(path: string, signal: AbortSignal, onLine: (line: unknown) => void): Promise<void>
  /**
   * Like `lines`, for long lists: Kubo is slowed down while the consumer is busy, so memory stays flat. `patient`: Kubo may be silent for
   * as long as it likes, and the caller's signal is the only limit.
   */
  stream(path: string, signal: AbortSignal, more?: { patient: boolean }): AsyncIterable<unknown>
}

/** Kubo's answer. */
export interface Answer {
  status: number
  /** The whole body, or the rest after the last whole line that was handed over. */
  text: string
  /** Kubo's error if it came after a status of 200. */
  streamError: string | undefined
}

/**
 * `rpcUrl` is like `http://127.0.0.1:5001`; a user and password in it are sent as Basic credentials. `traceparent` is called at each call
 * and returns the value of that header.
 */
export function kuboRpc(rpcUrl: string, traceparent: (() => string | undefined) | null = null): Rpc {
  const url = new URL(rpcUrl)
  const pool = new Pool(url.origin, { headersTimeout: silenceMs, bodyTimeout: silenceMs })
  const always = credentials(url)
  const post = (path: string): Dispatcher.DispatchOptions => {
    const trace = traceparent?.()
    const headers = trace === undefined ? always : [...always, 'traceparent', trace]
    return { method: 'POST', path: `/api/v0/${path}`, headers }
  }

  return {
    ask: (path, signal) => exchange(pool, post(path), signal, null),
    async call(path, signal) {
      return successOf(await exchange(pool, post(path), signal, null))
    },
    async lines(path, signal, onLine) {
      throwIfCutOff(await exchange(pool, post(path), signal, onLine))
    },
    stream: (path, signal, more) =>
      streamLines(pool, more?.patient ? { ...post(path), ...forever } : post(path), signal),
    [Symbol.asyncDispose]: () => pool.destroy(),
  }
}

/**
 * Makes one call on undici's lowest layer: `request`, with its stream and promises, takes about 1.5 times the CPU, and a node makes two
 * calls per pin. With `onLine`, the lines of a success are parsed and handed over as they come.
 */
function exchange(
  pool: Pool,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
  onLine: ((line: unknown) => void) | null,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    let controller: Dispatcher.DispatchController | null = null
    let status = 0
    let text = ''
    const decoder = new StringDecoder()
    const onAbort = () => {
      // Reject first, since ending the exchange reports an error of its own.
      reject(signal.reason)
      controller?.abort(new Error('the caller gave up'))
    }
    signal.addEventListener('abort', onAbort)

    pool.dispatch(options, {
      onRequestStart(started) {
        controller = started
        // The signal aborted while the call waited for a connection.
        if (signal.aborted) onAbort()
      },
      onResponseStart(_controller, statusCode) {
        status = statusCode
      },
      onResponseData(current, chunk) {
        text += decoder.write(chunk)
        try {
          if (onLine && status === 200) text = takeLines(text, onLine)
          if (text.length > maxTextChars) throw unintelligible(new Error('an answer without end'))
        } catch (error) {
          reject(error)
          current.abort(new Error('the answer cannot be used'))
        }
      },
      onResponseEnd(_controller, trailers) {
        signal.removeEventListener('abort', onAbort)
        resolve({ status, text, streamError: streamErrorIn(trailers) })
      },
      onResponseError(_controller, error) {
        signal.removeEventListener('abort', onAbort)
        reject(kuboDown(error))
      },
    })
  })
}

async function* streamLines(
  pool: Pool,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  signal.throwIfAborted()
  try {
    const response = await pool.request({ ...options, signal })
    const decoder = new StringDecoder()
    let text = ''
    const chunks: AsyncIterable<Buffer> = response.body
    for await (const chunk of chunks) {
      text += decoder.write(chunk)
      if (text.length > maxTextChars) throw unintelligible(new Error('an answer without end'))
      if (response.statusCode !== 200) continue
      const lines: unknown[] = []
      text = takeLines(text, (line) => lines.push(line))
      yield* lines
    }
    throwIfCutOff({ status: response.statusCode, text, streamError: streamErrorIn(response.trailers) })
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof IpfsError ? error : kuboDown(error)
  }
}

/** The parsed body of a success. Throws the error that any other answer reports. */
export function successOf(answer: Answer): unknown {
  throwIfFailed(answer)
  return parse(answer.text)
}

function throwIfFailed({ status, text, streamError }: Answer): void {
  if (streamError) throw kuboError(status, streamError)
  if (status !== 200) throw kuboError(status, readErrorMessage(text))
}

function throwIfCutOff(answer: Answer): void {
  throwIfFailed(answer)
  if (answer.text.trim() !== '') throw unintelligible(new Error('it ended in the middle of a line'))
}

/** Hands over the complete lines of `text` and returns the rest. */
function takeLines(text: string, onLine: (line: unknown) => void): string {
  let from = 0
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
    if (end > from) onLine(parse(text.slice(from, end)))
    from = end + 1
  }
  return text.slice(from)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unintelligible(cause)
  }
}

function unintelligible(cause: unknown): IpfsError {
  return new IpfsError('kubo_error', 'the server at the address in kubo.rpc is not a Kubo', { cause })
}

/** Once Kubo has begun to answer with 200, an error can only follow as a trailer. */
function streamErrorIn(trailers: object): string | undefined {
  return 'x-stream-error' in trailers ? String(trailers['x-stream-error']) : undefined
}

function credentials(url: URL): string[] {
  if (!url.username && !url.password) return []
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return ['authorization', `Basic ${Buffer.from(pair).toString('base64')}`]
}
