import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { fastify } from 'fastify'
import { closeGently } from './closing.ts'

/** Connects, sends a request, says so in shared memory, and posts the answer or the error's code. */
const client = `
const { workerData: { port, sent }, parentPort } = require('node:worker_threads')
const socket = require('node:net').connect(port, '127.0.0.1')
let answer = ''
socket.on('data', (text) => (answer += text))
socket.on('error', (error) => parentPort.postMessage(error.code))
socket.on('end', () => parentPort.postMessage(answer))
socket.on('connect', () =>
  socket.write('GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n', () => {
    Atomics.store(sent, 0, 1)
    Atomics.notify(sent, 0)
  }),
)`

test('closing answers a request that the kernel received while the process was busy', async () => {
  const app = fastify()
  app.get('/', async () => 'served')
  const sent = new Int32Array(new SharedArrayBuffer(4))
  const { promise: answered, resolve } = Promise.withResolvers<string>()
  app.addHook('preClose', async () => {
    const { port } = app.server.address() as AddressInfo
    const worker = new Worker(client, { eval: true, workerData: { port, sent } })
    worker.once('message', resolve)
    // Blocks the event loop of this process until the whole request waits in its sockets.
    Atomics.wait(sent, 0, 0)
  })
  closeGently(app, 10_000)
  await app.listen({ host: '127.0.0.1', port: 0 })
  await app.close()
  assert.match(await answered, /^HTTP\/1\.1 (200|503) /)
})
