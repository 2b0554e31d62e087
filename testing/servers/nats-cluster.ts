import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  makeClusterCa,
  makeClusterSecret,
  makeNodeCertificate,
  type CertifiedKey,
} from '../../src/cluster/cluster-ca.ts'
import type { NatsCluster } from '../../src/cluster/nats-config.ts'
import type { NatsChild, NatsServerOptions } from '../../src/cluster/nats-server.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { testNats, type TestNats } from './nats.ts'

/** One server of a test's cluster, by its number from 0. */
export interface TestSeat {
  nats: TestNats
  /** The `NatsServerOptions.cluster` of this server. `members` are numbers of servers. */
  cluster(members: readonly number[], over?: Partial<NatsCluster>): NatsCluster
  /** Starts the server, without a cluster if `members` is null. A second call starts it again in the same place. */
  start(members: readonly number[] | null, over?: Partial<NatsCluster>): Promise<NatsChild>
}

/** Places for `count` nats-servers that know one CA and one secret. Disposing stops what was started there. */
export interface TestNatsCluster extends AsyncDisposable {
  seats: readonly TestSeat[]
  seat(number: number): TestSeat
  all: readonly number[]
  /** Writes a certificate and its key where a server finds them. */
  files(certified: CertifiedKey): Promise<{ certFile: string; keyFile: string }>
}

/** Takes `env` as `testNats` does. The servers are called `names`, or `server-0` and so on. */
export async function testNatsCluster(
  env: NodeJS.ProcessEnv,
  count: number,
  options: Partial<NatsServerOptions> = {},
  names: readonly string[] = [],
): Promise<TestNatsCluster> {
  const stack = new AsyncDisposableStack()
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-nats-ca-'))
  stack.defer(() => rm(dir, { recursive: true, force: true }))
  const ca = makeClusterCa()
  const secret = makeClusterSecret()
  const caFile = join(dir, 'ca.pem')
  await writeFile(caFile, ca.certificate)
  const all = Array.from({ length: count }, (_, number) => number)
  const ports: number[] = []
  let written = 0
  const files = async ({ certificate, key }: CertifiedKey) => {
    const certFile = join(dir, `${written++}.pem`)
    const keyFile = certFile.replace('.pem', '.key')
    await writeFile(certFile, certificate)
    await writeFile(keyFile, key)
    return { certFile, keyFile }
  }
  const seats: TestSeat[] = []
  for (const number of all) {
    const nats = stack.use(await testNats(env))
    const port = await freePort()
    ports.push(port)
    const own = await files(makeNodeCertificate(ca, ['127.0.0.1']))
    const cluster: TestSeat['cluster'] = (members, over = {}) => ({
      name: 'test',
      listen: { host: '127.0.0.1', port },
      announce: `127.0.0.1:${port}`,
      members: members.map((member) => `127.0.0.1:${ports[member]}`),
      caFile,
      ...own,
      secret,
      ...over,
    })
    const start: TestSeat['start'] = (members, over) =>
      nats.start({
        serverName: names[number] ?? `server-${number}`,
        log: silentLog,
        cluster: members === null ? null : cluster(members, over),
        ...options,
      })
    seats.push({ nats, cluster, start })
  }
  const seat = (number: number): TestSeat => {
    const found = seats[number]
    if (found === undefined) throw new Error(`there is no seat ${number}`)
    return found
  }
  return { seats, seat, all, files, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
