import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../config/config.ts'
import { makeClusterCa, makeNodeCertificate } from '../../cluster/cluster-ca.ts'
import type { Health } from '../../http/health.ts'
import { judgeCertificates } from './certificates.ts'
import { checkSecrets } from './config.ts'
import { checkDisk, roomOf } from './disk.ts'
import { checkNode } from './node.ts'
import { checkPorts } from './ports.ts'

const { signal } = new AbortController()
const health: Health = { node: { id: 'nod_x', name: 'n' }, version: '0.1.0', away: null, reasons: [] }

function patient(given: Record<string, string>, node: Health | null = null) {
  const env = { ANCHORAGE_NATS_CLIENT_PORT: '0', ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0', ...given }
  return { config: loadConfig({ env }), node }
}

test('a port is free, is in use by another process, or is not on an address of this machine', async () => {
  const free = await checkPorts(patient({}), signal)
  assert.deepEqual(
    free.map(({ check, state }) => [check, state]),
    [
      ['http.listen', 'ok'],
      ['nats.clientPort', 'ok'],
    ],
  )
  const stranger = createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const address = stranger.address()
  const listen = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  try {
    const taken = patient({ ANCHORAGE_HTTP_LISTEN: listen })
    assert.equal((await checkPorts(taken, signal))[0]?.state, 'fail')
    assert.equal((await checkPorts({ ...taken, node: health }, signal))[0]?.state, 'ok')
  } finally {
    stranger.close()
    await once(stranger, 'close')
  }
  const deaf = await checkPorts(patient({ ANCHORAGE_HTTP_LISTEN: listen }, health), signal)
  assert.match(deaf[0]?.says ?? '', /runs, but does not listen there/)
  const foreign = await checkPorts(patient({ ANCHORAGE_HTTP_LISTEN: '192.0.2.200:80' }), signal)
  assert.match(foreign[0]?.says ?? '', /no such address/)
})

test('the data directory is checked, or the place where it would be made; a file in its place fails', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-doctor-'))
  try {
    const file = join(dir, 'file')
    await writeFile(file, '')
    const look = (path: string) => checkDisk(patient({ ANCHORAGE_DATA_DIR: path }), signal)
    assert.equal((await look(dir))[0]?.state, 'ok')
    assert.equal((await look(join(dir, 'not', 'yet')))[0]?.state, 'ok')
    assert.equal((await look(join(file, 'below')))[0]?.state, 'fail')
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('a nearly full disk gives a warning, and a full one fails', () => {
  const states = [10, 1, 0.1].map((GiB) => roomOf(GiB * 1024 ** 3, '/data').state)
  assert.deepEqual(states, ['ok', 'warn', 'fail'])
})

test('a file with secrets that other users may read is named; a config file only when it contains secrets', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-doctor-'))
  try {
    const keyFile = join(dir, 'master.key')
    const configFile = join(dir, 'anchorage.yaml')
    await writeFile(keyFile, 'x', { mode: 0o640 })
    await writeFile(configFile, `auth: { masterKeyFile: ${keyFile} }\n`)
    await chmod(configFile, 0o644)
    const input = { env: { ANCHORAGE_CONFIG: configFile } }
    const look = () => checkSecrets(input)({ config: loadConfig(input), node: null }, signal)
    assert.deepEqual(
      (await look()).map(({ state }) => state),
      ['ok'],
    )
    await chmod(keyFile, 0o644)
    assert.match((await look())[0]?.advice ?? '', /chmod o-rwx .*master\.key/)
    await writeFile(configFile, 'auth: { masterKey: x }\n')
    assert.match((await look())[0]?.advice ?? '', /chmod o-rwx .*anchorage\.yaml/)
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('a node that does not run is not a failure; the complaints of a running node are', async () => {
  assert.equal((await checkNode(patient({}), signal))[0]?.state, 'skip')
  const [well] = await checkNode(patient({}, { ...health, version: '0.0.0' }), signal)
  assert.equal(well?.state, 'ok')
  const ill = { ...health, reasons: [{ what: 'kubo' as const, reason: 'Kubo cannot be reached' }] }
  const found = await checkNode(patient({}, ill), signal)
  assert.deepEqual(found[0]?.state, 'fail')
  assert.match(found[0]?.says ?? '', /kubo: Kubo cannot be reached/)
  const kept = { ...health, reasons: [{ what: 'maintenance' as const, reason: 'it is on' }] }
  assert.equal((await checkNode(patient({}, kept), signal))[0]?.state, 'warn')
})

test('a certificate must be signed by the CA and be valid long enough', () => {
  const ca = makeClusterCa()
  const parse = ({ certificate }: { certificate: string }) => new X509Certificate(certificate)
  const own = parse(makeNodeCertificate(ca, ['10.0.0.1']))
  const pair = { ca: parse(ca), own, caFile: 'ca.pem', certFile: 'node.pem' }
  const states = (certificates: typeof pair, nowMs: number) =>
    judgeCertificates(certificates, nowMs).map(({ state }) => state)
  const endMs = Date.parse(own.validTo)
  assert.deepEqual(states(pair, Date.now()), ['ok'])
  assert.deepEqual(states(pair, endMs - 86_400_000), ['warn', 'warn'])
  assert.deepEqual(states(pair, endMs + 1000), ['fail', 'fail'])
  assert.deepEqual(states(pair, Date.now() - 86_400_000), ['fail', 'fail'])
  const [foreign] = judgeCertificates({ ...pair, ca: parse(makeClusterCa()) }, Date.now())
  assert.match(foreign?.says ?? '', /not signed by the CA/)
})
