import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../core/ports.ts'
import { NatsServerLog } from './nats-server-log.ts'

const minuteMs = 60_000

test('a route that keeps failing is logged as one warning, and not as an error', () => {
  const { said, read, pass } = stage()
  const dial = (attempt: number, host: string) =>
    read(
      `[ERR] Error trying to connect to route (attempt ${attempt}): dial tcp ${host}:6222: connection refused`,
    )
  for (let attempt = 1; attempt <= 600; attempt++) {
    dial(attempt, '10.0.0.2')
    pass(1_000)
  }
  assert.deepEqual(levels(said), ['warn'])
  assert.match(said[0]?.reason ?? '', /10\.0\.0\.2:6222: connection refused/)
  dial(1, '10.0.0.3')
  assert.deepEqual(levels(said), ['warn', 'warn'])
  pass(minuteMs + 1_000)
  dial(1, '10.0.0.2')
  assert.deepEqual(levels(said), ['warn', 'warn', 'warn'])
})

test('a stranger at the port of routes is logged as one warning, whatever its own port', () => {
  const { said, read } = stage()
  for (const port of [40_001, 40_002, 40_003])
    read(`[ERR] 10.0.0.9:${port} - rid:${port} - TLS route handshake error: EOF`)
  assert.deepEqual(levels(said), ['warn'])
})

test('any other error is logged as an error, and repeated at most once a minute', () => {
  const { said, read, pass } = stage()
  for (let second = 0; second <= 61; second++) {
    read('[ERR] JetStream failed to store a msg: disk full')
    pass(1_000)
  }
  assert.deepEqual(levels(said), ['error', 'error'])
})

/** Feeds lines of a nats-server to the log, and keeps what the node's log contains of them above debug. */
function stage() {
  let nowMs = 0
  const said: { level: string; reason: string }[] = []
  const note = (level: string) => (fields: { reason?: string }, message: string) =>
    void said.push({ level, reason: fields.reason ?? message })
  const log: Log = {
    debug() {},
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  }
  const server = new NatsServerLog(log, { steadyMs: () => nowMs })
  return {
    said,
    read: (line: string) => server.read(`[42] 2026/01/02 03:04:05.678901 ${line}`, assert.fail),
    pass: (ms: number) => void (nowMs += ms),
  }
}

function levels(said: { level: string }[]): string[] {
  return said.map(({ level }) => level)
}
