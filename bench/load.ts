/**
 * The load generator. It is a program of its own, so that it does not share an event loop with what is measured. It uses plain sockets,
 * because it shares the machine: an HTTP client would take a quarter of the time that is measured (0.3 ms a request). It reads one
 * `Load` as JSON from standard input, sends it, and prints one `LoadResult`.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { quantile } from './statistics.ts'

export interface Load {
  origin: string
  headers: Record<string, string>
  method: 'GET' | 'POST'
  inFlight: number
  /** Any other status makes the whole load fail. */
  expect: number
  requests: { path: string; body?: string }[]
}

export interface LoadResult {
  seconds: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

if (import.meta.main) {
  const load: Load = JSON.parse(await text(process.stdin))
  process.stdout.write(JSON.stringify(await send(load)))
}

async function send(load: Load): Promise<LoadResult> {
  const todo = load.requests.map((request) => wire(load, request)).values()
  const times: number[] = []
  const sockets = await Promise.all(Array.from({ length: load.inFlight }, () => open(load.origin)))
  const started = performance.now()
  await Promise.all(sockets.map((socket) => sendAll(socket, todo, load.expect, times)))
  const seconds = (performance.now() - started) / 1000
  for (const socket of sockets) socket.destroy()
  return {
    seconds,
    perSecond: times.length / seconds,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  }
}

function wire({ origin, headers, method }: Load, { path, body = '' }: Load['requests'][number]): string {
  const all = { host: new URL(origin).host, ...headers, 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

async function open(origin: string): Promise<Socket> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** Sends one request after another on one connection, until none is left. */
function sendAll(socket: Socket, todo: Iterator<string>, expect: number, times: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentAt = 0
    let answer = ''
    const next = (): void => {
      const { value, done } = todo.next()
      if (done) return resolve()
      answer = ''
      sentAt = performance.now()
      socket.write(value)
    }
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1')
      if (!isWhole(answer)) return
      if (!answer.startsWith(`HTTP/1.1 ${expect} `)) return reject(new Error(answer))
      times.push(performance.now() - sentAt)
      next()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed a connection')))
    next()
  })
}

/** Whether the answer is complete. Anchorage and Kubo both send short answers, either with a length or in chunks. */
function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n')
  if (head === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, head))
  if (length === null) return answer.endsWith('\r\n0\r\n\r\n')
  return answer.length >= head + 4 + Number(length[1])
}
