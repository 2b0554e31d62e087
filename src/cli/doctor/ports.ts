import type { Config } from '../../config/config.ts'
import type { ConfigKey } from '../../config/keys.ts'
import type { ListenAddress } from '../../config/kinds.ts'
import { refusalOf } from '../../app/free-ports.ts'
import { ownNats } from '../../app/nats.ts'
import { connectOnce } from '../../cluster/connect-once.ts'
import { fail, ok, type Check, type Finding } from './finding.ts'

interface Port {
  key: ConfigKey
  address: ListenAddress
}

/** Which of our processes may hold a port: the node, the nats-server that a killed node left behind, or none. */
type Holder = 'node' | 'orphan' | null

/** Whether each port that this node listens on is free, or is held by the node itself. */
export const checkPorts: Check = async ({ config, node }) => {
  const { http, nats } = config
  const ofNode: Port[] = [{ key: 'http.listen', address: http.listen }]
  const ofNats: Port[] = []
  if (nats.url === undefined) {
    ofNats.push({ key: 'nats.clientPort', address: { host: '127.0.0.1', port: nats.clientPort } })
    if (nats.cluster.listen !== undefined)
      ofNats.push({ key: 'nats.cluster.listen', address: nats.cluster.listen })
  }
  const holder = node === null ? null : 'node'
  const natsHolder = holder ?? (ofNats.length > 0 && (await isLeftBehind(config)) ? 'orphan' : null)
  return Promise.all([
    ...ofNode.map((port) => checkPort(port, holder)),
    ...ofNats.map((port) => checkPort(port, natsHolder)),
  ])
}

/** Only our own nats-server knows the password that we gave it, so a login that succeeds proves that it is ours. */
async function isLeftBehind(config: Config): Promise<boolean> {
  try {
    await using _ = await connectOnce((await ownNats(config)).url)
    return true
  } catch {
    return false
  }
}

async function checkPort({ key, address }: Port, holder: Holder): Promise<Finding> {
  const where = `${address.host}:${address.port}`
  const refusal = await refusalOf({ ...address, exclusive: true })
  if (refusal === null) {
    if (holder === null || address.port === 0) return ok(key, `${where} is free`)
    return fail(key, `${where}: the node runs, but does not listen there`, 'look at its log, or restart it')
  }
  if (refusal === 'EADDRINUSE') {
    if (holder === 'node') return ok(key, `this node listens on ${where}`)
    if (holder === 'orphan')
      return ok(
        key,
        `the nats-server of a node that was killed listens on ${where}; the next start of the node ends it`,
      )
    return fail(key, `another process listens on ${where}`, `stop that process, or change ${key}`)
  }
  if (refusal === 'EADDRNOTAVAIL')
    return fail(key, `${where}: this machine has no such address`, `change ${key}`)
  if (refusal === 'EACCES')
    return fail(
      key,
      `${where}: this user may not listen there`,
      `ports below 1024 need CAP_NET_BIND_SERVICE; or change ${key}`,
    )
  return fail(key, `${where}: cannot be listened on (${refusal})`, `change ${key}`)
}
