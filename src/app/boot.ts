import { fingerprintOf, proveMasterKey } from '../auth/master-key-proof.ts'
import type { Config } from '../config/config.ts'
import { sharedSettings } from '../config/shared-settings.ts'
import { isCode } from '../core/errors.ts'
import { NameHeld, settingsOfLive, type NameClaim } from '../core/name-claim.ts'
import type { Remembered } from '../core/marks.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Log, SteadyClock } from '../core/ports.ts'
import { differingSettings } from '../core/shared-settings.ts'
import { peerIdOf } from '../ipfs/inspect.ts'
import { thisMachine } from '../process/identity.ts'
import type { Store } from '../store/store.ts'
import { proveNats } from './nats.ts'
import { readRemembered } from './remembered.ts'

const postgresPatienceMs = 60_000
/** A process that was killed on another machine holds the name for this long at most: its last sign of life is 15 s old by then. */
const namePatienceMs = 20_000
const kuboPatienceMs = 3_000
const voidBatch = 500
const waiting =
  'Postgres cannot be reached; waiting up to a minute for it: check that it runs at the address in ' +
  'database.url and database.systemUrl'

/** The node as it boots. */
export interface Booted {
  node: NodeIdentity
  clusterId: string
  /** What it remembers of the database from its last start; null when it remembers nothing. */
  remembered: Remembered | null
}

/** What a node starts with. */
export interface BootNeeds {
  config: Config
  store: Pick<Store, 'nodes' | 'tokens'>
  masterKey: Uint8Array
  /** The id of the data folder, which this process has locked. */
  folderId: string
  clock: SteadyClock
  log: Log
}

/**
 * Proves what this process is, then takes the node's name: begins a new incarnation and queues again all work that earlier incarnations
 * left unfinished. Waits for Postgres, which may start later than its nodes. A rejection has changed nothing in the cluster: `invalid`, with
 * what to do, when this version must not serve with the schema or the logins, or the master key is another one; `conflict` when the name
 * belongs to another machine or is held by another process; `unavailable` when Postgres has not answered for a minute, or a port is in use.
 */
export async function bootNode(needs: BootNeeds, signal: AbortSignal): Promise<Booted> {
  const { config, store, masterKey, log } = needs
  await untilReady(needs, signal)
  log.info({ part: 'postgres', ...(await store.nodes.ways()) }, 'connected to Postgres')
  await proveMasterKey(store.tokens, masterKey)
  const clusterId = await store.nodes.clusterId()
  await proveNats(config, clusterId, log)
  const remembered = await readRemembered(config.data.dir, clusterId)
  const node = await takeName(needs, await claimOf(needs, signal), signal, remembered?.incarnation)
  while ((await store.nodes.voidClaims(node, voidBatch)) > 0);
  return { node, clusterId, remembered }
}

/** Rejects (`invalid`, with what to do) when this process must not serve with the database: as `assertReady`, or for another master key. */
export async function assertFits(
  store: Pick<Store, 'nodes' | 'tokens'>,
  masterKey: Uint8Array,
): Promise<void> {
  await store.nodes.assertReady()
  await proveMasterKey(store.tokens, masterKey)
}

async function untilReady({ store, clock, log }: BootNeeds, signal: AbortSignal): Promise<void> {
  const deadline = clock.steadyMs() + postgresPatienceMs
  for (let told = false; ; told = true) {
    try {
      return await store.nodes.assertReady()
    } catch (error) {
      if (!isCode(error, 'unavailable') || clock.steadyMs() > deadline) throw error
      if (!told) log.warn({ part: 'postgres', err: error }, waiting)
    }
    await clock.sleep(500, signal)
  }
}

/** A Kubo that does not answer shows nothing: it may start later than its node. */
async function claimOf({ config, masterKey, folderId }: BootNeeds, signal: AbortSignal): Promise<NameClaim> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(kuboPatienceMs)])
  const peerId = await peerIdOf(config.kubo.rpc, bounded).catch(() => null)
  signal.throwIfAborted()
  return {
    folderId,
    machine: thisMachine(),
    peerId,
    masterKey: fingerprintOf(masterKey),
    settings: sharedSettings(config),
  }
}

/** Takes the name, after a wait if the process that held it may be gone. Warns of settings in which the other nodes differ. */
export async function takeName(
  {
    config,
    store,
    clock,
    log,
  }: Pick<BootNeeds, 'clock' | 'log'> & {
    config: Pick<Config, 'node'>
    store: { nodes: Pick<Store['nodes'], 'boot' | 'claims'> }
  },
  claim: NameClaim,
  signal: AbortSignal,
  after = 0,
): Promise<NodeIdentity> {
  const { name, zone = null } = config.node
  for (let waitedMs = 0; ; waitedMs += 1_000) {
    try {
      const node = await store.nodes.boot(name, zone, claim, after)
      const others = (await store.nodes.claims()).filter((other) => other.name !== name)
      for (const differs of differingSettings(claim.settings, settingsOfLive(others)))
        log.warn({}, `${differs}: it should be the same on all nodes`)
      return node
    } catch (error) {
      if (!(error instanceof NameHeld) || waitedMs >= namePatienceMs) throw error
      if (waitedMs === 0)
        log.warn({ reason: error.message }, 'waiting until the last process of this node counts as gone')
    }
    await clock.sleep(1_000, signal)
  }
}
