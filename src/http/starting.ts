import { createServer, type RequestListener, type Server } from 'node:http'
import { failure } from './errors.ts'
import { forAnyPage, houseRules } from './greet.ts'
import { defaultLimits } from './http-limits.ts'
import { settingsOf } from './server.ts'

/** A server that listens before the node can serve. */
export interface EarlyServer {
  server: Server
  /** From now on `answer` answers the requests. */
  answerWith(answer: RequestListener): void
}

/** Until the server is told what to answer with, it answers every request that the node is starting. */
export function earlyServer(): EarlyServer {
  const { http, requestTimeout, keepAliveTimeout } = settingsOf(defaultLimits)
  let answer = starting
  const server = createServer({ ...http, requestTimeout, keepAliveTimeout }, (request, response) =>
    answer(request, response),
  )
  server.maxConnections = defaultLimits.maxConnections
  return { server, answerWith: (given) => void (answer = given) }
}

const body = JSON.stringify(failure('SERVICE_UNAVAILABLE', 'this node is starting; try again'))

const head = {
  ...houseRules(null),
  ...forAnyPage,
  'cache-control': 'no-store',
  'content-type': 'application/json; charset=utf-8',
  'content-length': Buffer.byteLength(body),
  'retry-after': '1',
  connection: 'close',
}

const starting: RequestListener = (_request, response) => void response.writeHead(503, head).end(body)
