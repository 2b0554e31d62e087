import { StringDecoder } from 'node:string_decoder'
import { Pool, type Dispatcher } from 'undici'
import { IpfsError } from '../core/ipfs-error.ts'
import { kuboDown, kuboError } from './kubo-errors.ts'
import { readErrorMessage } from './kubo-answers.ts'

/** Longest silence of a Kubo that works: even a pin that finds nothing sends a line every half second. */
const silenceMs = 60_000

/** For calls that work in silence. */
const forever = { headersTimeout: 0, bodyTimeout: 0 }

/** No line and no short answer of Kubo's is longer than this. */
const maxTextChars = 4 * 1024 * 1024

/** Kubo's HTTP RPC, reduced to what the adapter needs. Every call rejects with `IpfsError`, or with the signal's reason. */
export interface Rpc extends AsyncDisposable {
  /** The whole of a short answer, also of one that says no. */
  ask(path: string, signal: AbortSignal): Promise<Answer>
  /** As `ask`, parsed; what is not a success is an error. */
  call(path: string, signal: AbortSignal): Promise<unknown>
  /** Hands over each line of a success, parsed, as it arrives; resolves when Kubo ended it without an error. */
  lines(path: string, signal: AbortSignal, onLine: (line: unknown) => void): Promise<void>
  /**
   * As `lines`, for long lists: Kubo is held back while the consumer is busy, so memory stays flat. `patient`: Kubo may be silent
   * for as long as it likes, and the caller's signal is the only limit.
   */
  stream(path: string, signal: AbortSignal, more?: { patient: boolean }): AsyncIterable<unknown>
}

/** What came back. */
export interface Answer {
  status: number
  /** All of it, or what follows the last whole line that was handed over. */
  text: string
  /** Kubo's complaint when it came after a status of 200. */
  streamError: string | undefined
}

/**
 * `rpcUrl` is as `http://127.0.0.1:5001`; a user and password in it are sent as Basic credentials. `traceparent` is asked at each call for the
 * header of that name.
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
 * One call on undici's lowest layer: `request`, with its stream and promises, takes about 1.5 times the CPU, and a node makes
 * two calls per pin. With `onLine`, the lines of a success are parsed and handed over as they come.
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
      // First, for ending the exchange reports an error of its own.
      reject(signal.reason)
      controller?.abort(new Error('the caller gave up'))
    }
    signal.addEventListener('abort', onAbort)

    pool.dispatch(options, {
      onRequestStart(started) {
        controller = started
        // It aborted while it waited for a connection.
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
          current.abort(new Error('what came is of no use'))
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

/** What a success says, parsed; throws what anything else complains of. */
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
  return new IpfsError('kubo_error', 'what answers at the configured address is not a Kubo', { cause })
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
