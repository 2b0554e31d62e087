import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  makeClusterCa,
  makeClusterSecret,
  makeNodeCertificate,
  type CertifiedKey,
} from '../cluster/cluster-ca.ts'
import type { NodeSettings } from './node.ts'
import { writePrivate } from '../process/private-file.ts'

/** The cluster's CA with its key, and the secret of its routes. */
interface ClusterKeys extends CertifiedKey {
  secret: string
}

/** Makes the keys of DIR's cluster, once. They are in one file, so that either all of them exist or none. */
export async function makeClusterKeys(dir: string): Promise<void> {
  const file = keysFile(dir)
  if (existsSync(file)) return
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writePrivate(file, JSON.stringify({ ...makeClusterCa(), secret: makeClusterSecret() }))
}

/**
 * The settings by which the nats-server in `natsDir` joins DIR's cluster: a certificate of its own, made once, and copies of what all
 * share, as it would have on a machine of its own.
 */
export async function routeSettings(dir: string, natsDir: string, port: number): Promise<NodeSettings> {
  const keys: ClusterKeys = JSON.parse(await readFile(keysFile(dir), 'utf8'))
  const own = join(natsDir, 'route')
  const files = {
    'nats.cluster.caFile': join(own, 'ca.pem'),
    'nats.cluster.certFile': join(own, 'cert.pem'),
    'nats.cluster.keyFile': join(own, 'key.pem'),
    'nats.cluster.secretFile': join(own, 'secret'),
  }
  if (!existsSync(files['nats.cluster.secretFile'])) {
    const { certificate, key } = makeNodeCertificate(keys, ['127.0.0.1'])
    await mkdir(own, { recursive: true, mode: 0o700 })
    await writePrivate(files['nats.cluster.caFile'], keys.certificate)
    await writePrivate(files['nats.cluster.certFile'], certificate)
    await writePrivate(files['nats.cluster.keyFile'], key)
    // Written last: if this file exists, so do the others.
    await writePrivate(files['nats.cluster.secretFile'], keys.secret)
  }
  return { 'nats.cluster.listen': `127.0.0.1:${port}`, ...files }
}

function keysFile(dir: string): string {
  return join(dir, 'cluster', 'keys.json')
}
