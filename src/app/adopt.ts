import { AnchorageError, isCode } from '../core/errors.ts'
import { signOfLife } from '../core/forget-node.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import { kubo } from '../ipfs/kubo.ts'
import { openStore } from '../store/store.ts'
import type { Config } from '../config/config.ts'
import { storeUrls } from '../config/database-urls.ts'
import { createLog } from './log.ts'

const kuboPatienceMs = 60_000

/**
 * Before this machine's node starts: takes over the name in the config from a machine that is gone, for the Kubo of this machine. The node
 * keeps its id and its placements, and queues them again. Does nothing when the name belongs to this Kubo already, so a later start with
 * `--adopt` is an ordinary one. Rejects `conflict` while the node is alive somewhere, `not_found` when no node has that name, and
 * `unavailable` when Kubo or Postgres does not answer.
 */
export async function adoptName(config: Config, signal: AbortSignal): Promise<void> {
  const log = createLog({ level: config.log.level, pretty: process.stderr.isTTY })
  const { name } = config.node
  await using store = openStore({ ...storeUrls(config), log })
  await store.nodes.assertReady()
  const bound = await store.nodes.peerIdOf(name).catch((error: unknown) => {
    if (!isCode(error, 'not_found')) throw error
    throw new AnchorageError('not_found', `there is no node ${name} to adopt: start it without --adopt`)
  })
  const peerId = await ownPeerId(config, signal)
  if (bound === null || bound === peerId) {
    log.info({ peerId }, 'this node has no other Kubo: there is nothing to adopt')
    return
  }
  const node = await store.operator.node(name)
  const sign = signOfLife(node, await store.operator.reports())
  if (sign !== null)
    throw new AnchorageError('conflict', `the node ${name} is alive: ${sign}; stop it there before --adopt`)
  log.info({ adoptedId: node.id, from: bound, to: peerId }, 'this machine takes the place of another one')
  await store.nodes.adopt(node.id, peerId, `node:${name}`)
}

async function ownPeerId({ kubo: { rpc } }: Config, signal: AbortSignal): Promise<string> {
  await using ipfs = kubo({ rpcUrl: rpc, pinName: '', allowPrivateOrigins: false, resolveName: null })
  try {
    const { peerId } = await ipfs.identity(AbortSignal.any([signal, AbortSignal.timeout(kuboPatienceMs)]))
    return peerId
  } catch (cause) {
    if (!(cause instanceof IpfsError)) throw cause
    throw new AnchorageError('unavailable', '--adopt needs the Kubo of this machine: start it first', {
      cause,
    })
  }
}
