import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeClusterKeys, routeSettings } from './routes.ts'

test('nodes share a CA and a secret, each has its own certificate, and all are kept', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-routes-'))
  const natsDir = (n: number) => join(dir, `node-${n}`, 'nats')
  await makeClusterKeys(dir)
  const read = async (n: number) => {
    const settings = await routeSettings(dir, natsDir(n), 4000 + n)
    const text = (key: keyof typeof settings) => readFile(String(settings[key]), 'utf8')
    assert.equal((await stat(String(settings['nats.cluster.keyFile']))).mode & 0o777, 0o600)
    return {
      listen: settings['nats.cluster.listen'],
      ca: await text('nats.cluster.caFile'),
      certificate: await text('nats.cluster.certFile'),
      secret: await text('nats.cluster.secretFile'),
    }
  }
  const one = await read(1)
  const two = await read(2)
  assert.equal(one.listen, '127.0.0.1:4001')
  assert.equal(one.secret, two.secret)
  assert.equal(one.ca, two.ca)
  assert.notEqual(one.certificate, two.certificate)
  const { publicKey } = new X509Certificate(one.ca)
  for (const { certificate } of [one, two]) assert.ok(new X509Certificate(certificate).verify(publicKey))
  await makeClusterKeys(dir)
  assert.deepEqual(await read(1), one)
  await rm(dir, { recursive: true })
})
