import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import { test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { makeClusterCa, makeClusterSecret, makeNodeCertificate, type CertifiedKey } from './cluster-ca.ts'

test("a node's certificate is signed by its CA and is valid for its hosts, for both ends, and for years", () => {
  const ca = new X509Certificate(makeClusterCa().certificate)
  assert.ok(ca.ca && ca.verify(ca.publicKey))
  const signer = makeClusterCa()
  const node = new X509Certificate(
    makeNodeCertificate(signer, ['node-1.example', '10.1.2.3', '::1', 'fd00::a:0:7']).certificate,
  )
  assert.equal(node.ca, false)
  assert.ok(node.verify(new X509Certificate(signer.certificate).publicKey))
  assert.ok(node.checkIssued(new X509Certificate(signer.certificate)))
  assert.equal(node.verify(ca.publicKey), false)
  assert.equal(node.checkHost('node-1.example'), 'node-1.example')
  assert.equal(node.checkHost('node-2.example'), undefined)
  for (const address of ['10.1.2.3', '::1', 'fd00::a:0:7']) assert.equal(node.checkIP(address), address)
  assert.deepEqual(node.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  const leftMs = Date.parse(node.validTo) - Date.now()
  assert.ok(Date.parse(node.validFrom) < Date.now() && leftMs > 9 * 365 * 86_400_000)
})

test('a certificate that ends after 2050 says so correctly', () => {
  const now = new Date('2045-06-01T00:00:00Z')
  const { validTo } = new X509Certificate(makeNodeCertificate(makeClusterCa(now), ['a'], now).certificate)
  assert.equal(new Date(validTo).getUTCFullYear(), 2055)
})

test('a text that is neither a host name nor an IP address gets no certificate', () => {
  for (const host of ['', 'a b', '*.example', '-a', 'a,b', 'http://a', '[::1]', 'fe80::1%eth0']) {
    assert.throws(
      () => makeNodeCertificate(makeClusterCa(), [host]),
      (error) => isCode(error, 'invalid'),
      host,
    )
  }
})

test('mutual TLS succeeds between two nodes of one CA, and fails with a stranger', async () => {
  const ca = makeClusterCa()
  const server = makeNodeCertificate(ca, ['127.0.0.1'])
  assert.equal(await handshake(ca, server, makeNodeCertificate(ca, ['127.0.0.1'])), 'authorized')
  const stranger = makeNodeCertificate(makeClusterCa(), ['127.0.0.1'])
  assert.equal(await handshake(ca, server, stranger), 'refused')
  assert.equal(await handshake(ca, stranger, server), 'refused')
})

test('no two secrets are the same', () => {
  assert.notEqual(makeClusterSecret(), makeClusterSecret())
  assert.equal(Buffer.from(makeClusterSecret(), 'base64').length, 32)
})

/** The result of a handshake in which both ends trust only `ca`. */
async function handshake(ca: CertifiedKey, server: CertifiedKey, client: CertifiedKey): Promise<string> {
  const end = ({ certificate, key }: CertifiedKey) => ({ ca: ca.certificate, cert: certificate, key })
  const listener = createServer({ ...end(server), requestCert: true, rejectUnauthorized: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  assert.ok(address !== null && typeof address === 'object')
  const socket = connect({ ...end(client), host: '127.0.0.1', port: address.port })
  const refused = Promise.withResolvers<string>()
  listener.once('tlsClientError', () => refused.resolve('refused'))
  socket.once('error', () => refused.resolve('refused'))
  const connected = Promise.all([once(listener, 'secureConnection'), once(socket, 'secureConnect')])
  connected.catch(() => {})
  try {
    return await Promise.race([connected.then(() => 'authorized'), refused.promise])
  } finally {
    socket.destroy()
    listener.close()
  }
}
