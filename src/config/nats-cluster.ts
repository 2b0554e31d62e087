import { createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { isIP } from 'node:net'
import type { NatsCluster } from '../cluster/nats-config.ts'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { requireKeys, type Config } from './config.ts'
import { textOfFile } from './option-file.ts'
import { howToGive } from './keys.ts'
import { address, type ListenAddress } from './kinds.ts'

/** How this node's nats-server takes part in a cluster. Its members come from the config or, when that names none, from Postgres. */
export interface ClusterPlace {
  seat: Omit<NatsCluster, 'members'>
  /** The members that the config names; when empty, the nodes find one another in Postgres. */
  named: readonly string[]
}

/**
 * The place that the config gives this node's nats-server; null when that server runs alone, or when the NATS is an outside one. Rejects
 * `invalid`, with what to change, for a config that can never work: missing files, a key that does not fit the certificate, a certificate
 * for another host.
 */
export async function clusterPlace(
  config: Config,
  clusterId: string,
  log: Log,
): Promise<ClusterPlace | null> {
  const { listen, members } = config.nats.cluster
  if (listen === undefined) {
    if (members.length === 0) return null
    throw invalid(
      `nats.cluster.members is set, but nats.cluster.listen is not: ${howToGive('nats.cluster.listen')}`,
    )
  }
  if (config.nats.url !== undefined)
    throw invalid(
      'nats.cluster.listen and nats.url are both set: with nats.url this node does not run a nats-server; ' +
        'remove one of the two',
    )
  if (listen.port === 0)
    throw invalid('nats.cluster.listen needs a fixed port, since the other nodes must know it')
  for (const member of members) checkMember(member)
  const { nats } = requireKeys(config, [
    'nats.cluster.caFile',
    'nats.cluster.certFile',
    'nats.cluster.keyFile',
  ])
  const { caFile, certFile, keyFile } = nats.cluster
  const announced = config.nats.cluster.announce ?? reachable(listen)
  await checkFiles({ caFile, certFile, keyFile }, announced.host, log)
  const seat = {
    name: clusterId,
    listen,
    announce: shown(announced),
    caFile,
    certFile,
    keyFile,
    secret: await clusterSecret(config),
  }
  return { seat, named: members }
}

/** The cluster that `place` forms with `others`. */
export function clusterOf({ seat }: ClusterPlace, others: readonly string[]): NatsCluster {
  return { ...seat, members: [...new Set([seat.announce, ...others])].sort() }
}

function checkMember(member: string): void {
  try {
    address.parse(member)
  } catch (cause) {
    throw invalid(`nats.cluster.members: ${member}: ${reasonOf(cause)}`, cause)
  }
}

async function clusterSecret(config: Config): Promise<string> {
  const { secret, secretFile } = config.nats.cluster
  if (secret === undefined && secretFile === undefined)
    throw invalid(
      `neither nats.cluster.secret nor nats.cluster.secretFile is set: ${howToGive('nats.cluster.secretFile')}`,
    )
  const given = secret?.reveal() ?? (await textOfFile(secretFile ?? '', 'nats.cluster.secretFile'))
  if (given.trim().length < 16)
    throw invalid('nats.cluster.secret is too short: `anchorage admin init-cluster` makes a good one')
  return given.trim()
}

type Files = Pick<NatsCluster, 'caFile' | 'certFile' | 'keyFile'>

async function checkFiles({ caFile, certFile, keyFile }: Files, host: string, log: Log): Promise<void> {
  certificateIn(await textOfFile(caFile, 'nats.cluster.caFile'), 'nats.cluster.caFile')
  const certificate = certificateIn(
    await textOfFile(certFile, 'nats.cluster.certFile'),
    'nats.cluster.certFile',
  )
  const key = keyIn(await textOfFile(keyFile, 'nats.cluster.keyFile'))
  if (!certificate.checkPrivateKey(key))
    throw invalid('nats.cluster.keyFile is not the key of the certificate in nats.cluster.certFile')
  const fits = isIP(host) > 0 ? certificate.checkIP(host) : certificate.checkHost(host)
  if (fits === undefined)
    throw invalid(
      `the certificate in nats.cluster.certFile is not for ${host}, where the other nodes reach this one ` +
        `(${certificate.subjectAltName ?? 'it names no host'}): make one with \`anchorage admin init-cluster\`, or change nats.cluster.announce`,
    )
  if (Date.parse(certificate.validTo) < Date.now())
    log.error(
      { certFile, validTo: certificate.validTo },
      'the certificate of this node has expired: the other nodes refuse it',
    )
}

function certificateIn(pem: string, option: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw invalid(`${option} holds no certificate: ${reasonOf(cause)}`, cause)
  }
}

function keyIn(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw invalid(`nats.cluster.keyFile holds no private key: ${reasonOf(cause)}`, cause)
  }
}

function reachable({ host, port }: ListenAddress): ListenAddress {
  return { host: host === '0.0.0.0' || host === '::' ? hostname() : host, port }
}

function shown({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function invalid(message: string, cause?: unknown): AnchorageError {
  return new AnchorageError('invalid', message, { cause })
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
