import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { AnchorageError } from '../core/errors.ts'
import * as der from './der.ts'

/** A certificate and its private key, both PEM. */
export interface CertifiedKey {
  certificate: string
  key: string
}

const yearMs = 365 * 24 * 60 * 60 * 1000
/** Long, since an expired certificate stops a cluster that is otherwise healthy, and the CA serves nothing but these routes. */
const lifeMs = 10 * yearMs
/** Certificates are valid from this long ago, because the clocks of machines differ. */
const earlyMs = 60 * 60 * 1000

const oid = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
}

/**
 * Makes the certificate authority of one cluster, which signs the certificates of its nodes and nothing else. Its key is needed only to
 * make certificates; no node needs it to run.
 *
 * A node of a cluster needs these options, besides `database.*`:
 * - `nats.cluster.listen`: the host:port on which the node accepts routes from other nodes. Without it the node's nats-server runs alone.
 * - `nats.cluster.announce`: the host:port at which the other nodes reach it, when `listen` is a wildcard.
 * - `nats.cluster.caFile`: the `certificate` of the CA, the same on all nodes.
 * - `nats.cluster.certFile` and `nats.cluster.keyFile`: the result of `makeNodeCertificate` for this node, with the announced host among
 *   `hosts`.
 * - `nats.cluster.secretFile`: the result of `makeClusterSecret`, the same on all nodes.
 *
 * `nats.cluster.members` is not needed: nodes find one another in Postgres.
 */
export function makeClusterCa(now = new Date()): CertifiedKey {
  const { publicKey, privateKey } = newKey()
  const subject = `anchorage cluster ${randomBytes(8).toString('hex')}`
  return certify({
    issuer: { subject, key: privateKey, keyId: keyIdOf(publicKey) },
    subject,
    publicKey,
    privateKey,
    now,
    extensions: [
      extension(oid.basicConstraints, der.sequence(der.yes(), der.integer(Buffer.of(0))), 'critical'),
      // keyCertSign and cRLSign
      extension(oid.keyUsage, der.bitFlags(0b0000_0110, 1), 'critical'),
    ],
  })
}

/**
 * Makes a certificate for one node's routes, valid for both ends of a TLS connection. `hosts` are the names and addresses at which the
 * other nodes reach it. Throws `invalid` when one of them is neither a host name nor an IP address, or when there are none.
 */
export function makeNodeCertificate(
  ca: CertifiedKey,
  hosts: readonly string[],
  now = new Date(),
): CertifiedKey {
  const { publicKey, privateKey } = newKey()
  const authority = new X509Certificate(ca.certificate)
  const keyId = keyIdOf(authority.publicKey)
  const [subject] = hosts
  if (subject === undefined) throw new AnchorageError('invalid', 'a certificate needs a host')
  return certify({
    issuer: { subject: authority.subject.replace(/^CN=/, ''), key: createPrivateKey(ca.key), keyId },
    subject,
    publicKey,
    privateKey,
    now,
    extensions: [
      extension(oid.basicConstraints, der.sequence(), 'critical'),
      // digitalSignature
      extension(oid.keyUsage, der.bitFlags(0b1000_0000, 7), 'critical'),
      extension(
        oid.extendedKeyUsage,
        der.sequence(der.objectId(oid.serverAuth), der.objectId(oid.clientAuth)),
      ),
      extension(oid.authorityKeyId, der.sequence(der.implicit(0, keyId))),
      extension(oid.subjectAltName, der.sequence(...hosts.map(altName))),
    ],
  })
}

/** Makes the secret that the routes of one cluster require besides certificates; the same on all nodes. */
export function makeClusterSecret(): string {
  return randomBytes(32).toString('base64')
}

interface Certificate {
  issuer: { subject: string; key: KeyObject; keyId: Buffer }
  subject: string
  publicKey: KeyObject
  privateKey: KeyObject
  now: Date
  extensions: Buffer[]
}

function certify({ issuer, subject, publicKey, privateKey, now, extensions }: Certificate): CertifiedKey {
  const algorithm = der.sequence(der.objectId(oid.ecdsaWithSha256))
  // The first bit is clear and the second is set, so the number is never negative and always has its full length.
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0)
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Buffer.of(2))),
    der.integer(serial),
    algorithm,
    nameOf(issuer.subject),
    der.sequence(der.time(new Date(now.getTime() - earlyMs)), der.time(new Date(now.getTime() + lifeMs))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(
      3,
      der.sequence(...extensions, extension(oid.subjectKeyId, der.octetString(keyIdOf(publicKey)))),
    ),
  )
  const signature = sign('sha256', toBeSigned, issuer.key)
  return {
    certificate: new X509Certificate(
      der.sequence(toBeSigned, algorithm, der.bitString(signature)),
    ).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function newKey(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

function nameOf(commonName: string): Buffer {
  return der.sequence(der.set(der.sequence(der.objectId(oid.commonName), der.utf8String(commonName))))
}

function extension(id: string, value: Buffer, critical?: 'critical'): Buffer {
  return der.sequence(der.objectId(id), ...(critical ? [der.yes()] : []), der.octetString(value))
}

function altName(host: string): Buffer {
  // A zone, as in `fe80::1%eth0`, means something on one machine only.
  if (isIP(host) > 0 && !host.includes('%')) return der.implicit(7, addressBytes(host))
  if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?$/i.test(host)) {
    throw new AnchorageError('invalid', `${host} is neither a host name nor an IP address`)
  }
  return der.implicit(2, Buffer.from(host.replace(/\.$/, ''), 'ascii'))
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  // `URL` writes every IPv6 address in one form, without dotted digits.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const zeros = tail === undefined ? 0 : 8 - words(head).length - words(tail).length
  const all = [...words(head), ...Array.from({ length: zeros }, () => '0'), ...words(tail ?? '')]
  return Buffer.from(all.map((word) => word.padStart(4, '0')).join(''), 'hex')
}
