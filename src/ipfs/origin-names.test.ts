import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import { testDns, txt, type TestDns } from '../../testing/servers/dns.ts'
import { nameResolver } from './origin-names.ts'

const never = new AbortController().signal

test('a name resolves to its addresses in DNS, and a dnsaddr to the multiaddrs in its records', async () => {
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

test('an unknown name and a malformed name resolve to nothing', async () => {
  await using dns = await serveDns({})
  const resolve = nameResolver({ servers: [dns.address] })
  for (const name of ['unknown.example', '', '..', 'x'.repeat(300)])
    assert.deepEqual(await resolve(name, 'dns4', never), [], name)
})

test('localhost is loopback, without a DNS query', async () => {
  const resolve = nameResolver({ servers: ['127.0.0.1:9'] })
  for (const name of ['localhost', 'LOCALHOST.', 'a.localhost']) {
    assert.deepEqual(await resolve(name, 'dns4', never), ['127.0.0.1'])
    assert.deepEqual(await resolve(name, 'dns6', never), ['::1'])
  }
})

test('an aborted look-up ends at once, even if the server never answers', async () => {
  await using dns = await serveDns(null)
  const resolve = nameResolver({ servers: [dns.address] })
  const given = new AbortController()
  const asked = resolve('a.example', 'dns4', given.signal)
  setTimeout(() => given.abort(new Error('enough')), 20)
  await assert.rejects(asked, /enough/)
  await assert.rejects(resolve('a.example', 'dns4', given.signal), /enough/)
})

test('at most `atOnce` look-ups are in flight, and the others wait their turn', async () => {
  const held: (() => void)[] = []
  let asked = 0
  await using dns = await testDns(() => [Buffer.from([8, 8, 8, 8])], {
    beforeAnswer: () => {
      asked++
      return new Promise<void>((resolve) => held.push(resolve))
    },
  })
  const resolve = nameResolver({ servers: [dns.address], atOnce: 3, timeoutMs: patience.usualMs })
  const left = new AbortController()
  const answers = Array.from({ length: 10 }, (_, i) =>
    resolve(`${i}.example`, 'dns4', i === 0 || i === 9 ? left.signal : never),
  )
  const gone = Promise.allSettled([answers[0], answers[9]])
  await until('three are out', () => asked === 3)
  left.abort(new Error('enough'))
  for (const { status } of await gone) assert.equal(status, 'rejected')
  const rest = Promise.all(answers.slice(1, 9))
  for (let answered = 0; answered < 9; answered++) {
    await until('the next one is out', () => held.length > 0)
    assert.ok(asked <= answered + 3)
    held.shift()?.()
  }
  assert.deepEqual(await rest, Array(8).fill(['8.8.8.8']))
  assert.equal(asked, 9)
})

test('only the first 100 records of an answer are used', async () => {
  await using dns = await serveDns({
    'many.example A': Array.from({ length: 200 }, (_, i) => Buffer.from([8, 8, 8, i])),
  })
  const resolve = nameResolver({ servers: [dns.address] })
  assert.equal((await resolve('many.example', 'dns4', never)).length, 100)
})

/** A name server on loopback with `records` by "name TYPE"; null never answers. */
function serveDns(records: Record<string, Buffer[]> | null): Promise<TestDns> {
  return testDns(records && ((question) => records[question] ?? []))
}
