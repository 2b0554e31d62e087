import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { duration } from '../print.ts'
import { fail, ok, skip, warn, type Check, type Finding } from './finding.ts'

const soonMs = 30 * 86_400_000
const renew = 'make a new one with `anchorage admin init-cluster`, in the directory with ca.key'

/**
 * Checks the certificates of a cluster's nats-servers: how long they are valid, and whether the CA signed the node's certificate. The
 * config check covers whether its key and its host fit.
 */
export const checkCertificates: Check = async ({ config }) => {
  const { listen, caFile, certFile } = config.nats.cluster
  if (listen === undefined || caFile === undefined || certFile === undefined)
    return [skip('certificates', 'none are needed: nats.cluster.listen is not set')]
  const [ca, own] = await Promise.all([certificateIn(caFile), certificateIn(certFile)])
  // The config check says what is wrong with them.
  if (ca === null || own === null) return [skip('certificates', 'they cannot be read; see the check config')]
  return judgeCertificates({ ca, own, caFile, certFile }, Date.now())
}

export interface Certificates {
  ca: X509Certificate
  own: X509Certificate
  caFile: string
  certFile: string
}

export function judgeCertificates({ ca, own, caFile, certFile }: Certificates, nowMs: number): Finding[] {
  if (!own.checkIssued(ca) || !own.verify(ca.publicKey))
    return [
      fail(
        'certificates',
        `${certFile} was not signed by the CA in ${caFile}: the other nodes refuse it`,
        renew,
      ),
    ]
  const lives = [expiry(own, certFile, renew, nowMs), expiry(ca, caFile, renewCa, nowMs)]
  const bad = lives.filter((finding) => finding !== null)
  if (bad.length > 0) return bad
  const left = Date.parse(own.validTo) - nowMs
  return [ok('certificates', `signed by the cluster's CA, and valid for another ${duration(left)}`)]
}

const renewCa =
  'make another CA with `anchorage admin init-cluster` in an empty directory, and give every node its files at the same time'

function expiry(
  { validFrom, validTo }: X509Certificate,
  file: string,
  advice: string,
  nowMs: number,
): Finding | null {
  const left = Date.parse(validTo) - nowMs
  if (left <= 0) return fail('certificates', `${file} expired on ${validTo}`, advice)
  if (Date.parse(validFrom) > nowMs)
    return fail('certificates', `${file} is not valid before ${validFrom}`, 'check the clock of this machine')
  return left < soonMs ? warn('certificates', `${file} expires on ${validTo}`, advice) : null
}

async function certificateIn(file: string): Promise<X509Certificate | null> {
  try {
    return new X509Certificate(await readFile(file))
  } catch {
    return null
  }
}
