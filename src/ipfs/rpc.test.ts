import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { test } from 'node:test'
import { IpfsError } from '../core/ipfs-error.ts'
import type { PinErrorCode } from '../core/pin.ts'
import { kubo } from './kubo.ts'
import { kuboRpc } from './rpc.ts'

const never = new AbortController().signal
const cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

test('an error in a trailer after a status of 200 is reported', async () => {
  await using fake = await serve((_, response) => {
    response.writeHead(200, { trailer: 'X-Stream-Error' })
    response.write('{"Progress":7,"Bytes":700}\n')
    response.addTrailers({ 'x-stream-error': 'pin: write /a/b: no space left on device' })
    response.end()
  })
  await using rpc = kuboRpc(fake.url)
  const seen: unknown[] = []
  await assert.rejects(
    rpc.lines('pin/add', never, (line) => seen.push(line)),
    code('node_full'),
  )
  await assert.rejects(all(rpc.stream('pin/ls', never)), code('node_full'))
  assert.deepEqual(seen, [{ Progress: 7, Bytes: 700 }])
})

test('each call that belongs to a trace carries its traceparent', async () => {
  const told: unknown[] = []
  await using fake = await serve((request, response) => {
    told.push(request.headers['traceparent'])
    response.end('{}\n')
  })
  const traces = ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined]
  const left = [...traces, ...traces]
  await using rpc = kuboRpc(fake.url, () => left.shift())
  await rpc.call('id', never)
  await rpc.lines('pin/add', never, () => {})
  await all(rpc.stream('pin/ls', never))
  await rpc.ask('pin/rm', never)
  assert.deepEqual(told, [...traces, ...traces])
})

test('an answer to a pin that ends without its last line is an error', async () => {
  await using fake = await serve((request, response) => {
    if (request.url?.includes('pin/add')) return response.end('{"Progress":7,"Bytes":700}\n')
    if (request.url?.includes('type=direct')) return response.end()
    response.writeHead(500).end(`{"Message":"path '${cid}' is not pinned","Code":0,"Type":"error"}\n`)
  })
  await using ipfs = kubo({ rpcUrl: fake.url, pinName: 'ours', allowPrivateOrigins: false })
  await assert.rejects(ipfs.pin(cid, { signal: never, onProgress: () => {} }), code('kubo_error'))
})

test('lines arrive whole, even if the network splits them within a character', async () => {
  const text = '{"Cid":"a","Name":"sømething"}\n\n{"Cid":"b","Name":"日本語"}\n'
  await using fake = await serve((_, response) => {
    const bytes = Buffer.from(text)
    const send = (at: number) => {
      if (at === bytes.length) return response.end()
      response.write(bytes.subarray(at, at + 1), () => setImmediate(send, at + 1))
    }
    send(0)
  })
  await using rpc = kuboRpc(fake.url)
  assert.deepEqual(await all(rpc.stream('pin/ls', never)), [
    { Cid: 'a', Name: 'sømething' },
    { Cid: 'b', Name: '日本語' },
  ])
  const seen: unknown[] = []
  await rpc.lines('pin/ls', never, (line) => seen.push(line))
  assert.equal(seen.length, 2)
})

for (const [what, body] of [
  ['a page of HTML', '<html>\n</html>\n'],
  ['half a line', '{"Pins":["a"]'],
  ['a shape that is not Kubo’s', '[1]\n'],
] as const)
  test(`${what} is not accepted as an answer`, async () => {
    await using fake = await serve((_, response) => response.end(body))
    await using ipfs = kubo({ rpcUrl: fake.url, pinName: 'ours', allowPrivateOrigins: false })
    await assert.rejects(ipfs.pin(cid, { signal: never, onProgress: () => {} }), code('kubo_error'))
    await assert.rejects(ipfs.identity(never), code('kubo_error'))
    await assert.rejects(all(ipfs.pins(never)), code('kubo_error'))
  })

test('an endless line does not fill the memory', async () => {
  await using fake = await serve((_, response) => {
    const chunk = 'x'.repeat(1 << 20)
    const more = () => void (response.writable && response.write(chunk, more))
    more()
  })
  await using rpc = kuboRpc(fake.url)
  await assert.rejects(rpc.call('id', never), code('kubo_error'))
  await assert.rejects(all(rpc.stream('pin/ls', never)), code('kubo_error'))
})

test('an answer that is cut off means that Kubo is down', async () => {
  await using fake = await serve((request, response) => {
    response.write('{"Progress":1}\n', () => request.socket.destroy())
  })
  await using rpc = kuboRpc(fake.url)
  await assert.rejects(
    rpc.lines('pin/add', never, () => {}),
    code('kubo_down'),
  )
  await assert.rejects(all(rpc.stream('pin/ls', never)), code('kubo_down'))
})

test('credentials in the URL are sent', async () => {
  await using fake = await serve((request, response) =>
    response.end(JSON.stringify(request.headers.authorization)),
  )
  await using rpc = kuboRpc(fake.url.replace('//', '//me:p%40ss@'))
  assert.equal(await rpc.call('id', never), `Basic ${Buffer.from('me:p@ss').toString('base64')}`)
})

test('a Kubo that is too old is refused with the reason, and a newer one is accepted', async () => {
  let version = ''
  await using fake = await serve((_, response) =>
    response.end(
      JSON.stringify({
        Version: version,
        ID: 'me',
        Addresses: ['/ip4/0.0.0.0/tcp/1', '/ip4/8.8.8.8/tcp/1', '/ip6/::/tcp/1/p2p/me'],
      }),
    ),
  )
  await using ipfs = kubo({ rpcUrl: fake.url, pinName: 'ours', allowPrivateOrigins: false })
  for (version of ['0.4.23', '0.38.0', '0.41.0', '0.41.0-rc1'])
    await assert.rejects(ipfs.identity(never), /upgrade it to 0\.42 or newer/, version)
  for (version of ['0.42.0', '0.43.0-dev', '0.100.0', '1.0.0'])
    assert.deepEqual(await ipfs.identity(never), {
      peerId: 'me',
      multiaddrs: ['/ip4/8.8.8.8/tcp/1/p2p/me'],
      version,
    })
})

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function all(lines: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const line of lines) found.push(line)
  return found
}

function code(wanted: PinErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof IpfsError, `not an IpfsError: ${error}`)
    assert.equal(error.code, wanted)
    return true
  }
}
