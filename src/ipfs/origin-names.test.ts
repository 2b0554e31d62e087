import { strict as assert } from 'node:assert'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { nameResolver } from './origin-names.ts'

const never = new AbortController().signal
const types = { A: 1, TXT: 16, AAAA: 28 } as const

test('a name has the addresses that DNS gives it, and a dnsaddr the multiaddrs of its records', async () => {
  await using dns = await serveDns({
    'a.example A': [Buffer.from([8, 8, 8, 8]), Buffer.from([10, 0, 0, 1])],
    'a.example AAAA': [Buffer.from('26064700000000000000000000001111', 'hex')],
    '_dnsaddr.a.example TXT': [txt('dnsaddr=/ip4/8.8.8.8/tcp/1/p2p/Qm'), txt('v=spf1 -all')],
  })
  const resolve = nameResolver({ servers: [dns.address] })
  assert.deepEqual(await resolve('a.example', 'dns4', never), ['8.8.8.8', '10.0.0.1'])
  assert.deepEqual(await resolve('a.example', 'dns6', never), ['2606:4700::1111'])
  assert.deepEqual(await resolve('a.example', 'dnsaddr', never), ['/ip4/8.8.8.8/tcp/1/p2p/Qm'])
})

test('a name that DNS does not know, and one that is none, lead nowhere', async () => {
  await using dns = await serveDns({})
  const resolve = nameResolver({ servers: [dns.address] })
  for (const name of ['unknown.example', '', '..', 'x'.repeat(300)])
    assert.deepEqual(await resolve(name, 'dns4', never), [], name)
})

test('localhost is loopback, without a question to anybody', async () => {
  const resolve = nameResolver({ servers: ['127.0.0.1:9'] })
  for (const name of ['localhost', 'LOCALHOST.', 'a.localhost']) {
    assert.deepEqual(await resolve(name, 'dns4', never), ['127.0.0.1'])
    assert.deepEqual(await resolve(name, 'dns6', never), ['::1'])
  }
})

test('a server that does not answer holds nobody up after an abort', async () => {
  await using dns = await serveDns(null)
  const resolve = nameResolver({ servers: [dns.address] })
  const given = new AbortController()
  const asked = resolve('a.example', 'dns4', given.signal)
  setTimeout(() => given.abort(new Error('enough')), 20)
  await assert.rejects(asked, /enough/)
  await assert.rejects(resolve('a.example', 'dns4', given.signal), /enough/)
})

/** A name server on loopback with `records` by "name TYPE"; null never answers. */
async function serveDns(records: Record<string, Buffer[]> | null) {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    if (records) socket.send(answerTo(query, records), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

function answerTo(query: Buffer, records: Record<string, Buffer[]>): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const questionEnd = at + 5
  const wanted = query.readUInt16BE(at + 1)
  const type = Object.entries(types).find(([, number]) => number === wanted)?.[0]
  const found = records[`${labels.join('.').toLowerCase()} ${type}`] ?? []
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(found.length > 0 ? 0x8180 : 0x8183, 2)
  header.writeUInt16BE(found.length, 6)
  header.writeUInt16BE(0, 10)
  const answers = found.map((data) => {
    const head = Buffer.from([0xc0, 12, 0, wanted, 0, 1, 0, 0, 0, 60, 0, 0])
    head.writeUInt16BE(data.length, 10)
    return Buffer.concat([head, data])
  })
  return Buffer.concat([header, query.subarray(12, questionEnd), ...answers])
}

function txt(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}
