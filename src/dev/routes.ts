import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeClusterCa,
  makeClusterSecret,
  makeNodeCertificate,
  type CertifiedKey,
} from '../cluster/cluster-ca.ts'
import type { NodeSettings } from './node.ts'
import { writePrivate } from './private-file.ts'

/**
 * What the nats-server in `natsDir` needs to be one of the cluster of DIR: its own certificate by the cluster's CA, and the
 * secret. All are made once; each node has copies of its own, as it would on a machine of its own.
 */
export async function routeSettings(dir: string, natsDir: string, port: number): Promise<NodeSettings> {
  const ca = await clusterCa(join(dir, 'cluster'))
  const own = join(natsDir, 'route')
  const files = {
    'nats.cluster.caFile': join(own, 'ca.pem'),
    'nats.cluster.certFile': join(own, 'cert.pem'),
    'nats.cluster.keyFile': join(own, 'key.pem'),
    'nats.cluster.secretFile': join(own, 'secret'),
  }
  if (!existsSync(files['nats.cluster.secretFile'])) {
    const { certificate, key } = makeNodeCertificate(ca, ['127.0.0.1'])
    await mkdir(own, { recursive: true, mode: 0o700 })
    await writePrivate(files['nats.cluster.caFile'], ca.certificate)
    await writePrivate(files['nats.cluster.certFile'], certificate)
    await writePrivate(files['nats.cluster.keyFile'], key)
    // Last: where it stands, so do the others.
    await writePrivate(files['nats.cluster.secretFile'], ca.secret)
  }
  return { 'nats.cluster.listen': `127.0.0.1:${port}`, ...files }
}

/** The CA and the secret of all nodes, in one file: both are there, or neither. */
async function clusterCa(dir: string): Promise<CertifiedKey & { secret: string }> {
  const file = join(dir, 'ca.json')
  if (!existsSync(file)) {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await writePrivate(file, JSON.stringify({ ...makeClusterCa(), secret: makeClusterSecret() }))
  }
  const kept: CertifiedKey & { secret: string } = JSON.parse(await readFile(file, 'utf8'))
  return kept
}
