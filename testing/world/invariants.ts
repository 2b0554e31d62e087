import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { assertAgreement } from '../database/agreement.ts'
import type { Api } from '../clients/api.ts'
import { placements, rowsOf, type Ledger } from './ledger.ts'
import { patience } from '../patience.ts'
import { until } from '../settle.ts'
import type { World } from './world.ts'

export interface Looking {
  /** Nodes that are down: they cannot be asked, and copies on them do not count. */
  without?: readonly number[]
  /** The database went back, so the number of an epoch may have been given again. The ids of its two terms differ, and writes are fenced by these. */
  wentBack?: boolean
}

/**
 * Checks the invariants of design §9 from outside, after waiting for work under way. A fault may violate them for a while, but must
 * never break them for good. I1 and I2: every pin that was answered with 202 is listed exactly once and as accepted, becomes `pinned`,
 * and has exactly as many copies as it wants; each Kubo holds exactly the pins of its node's placements. A POST whose answer was lost
 * may also have created a pin, for which the same holds. I3: another org sees none of it. I4: no epoch had two leaders. I5: no two rows
 * of Postgres contradict each other. I6: no node needs more memory than a node of an empty cluster may.
 */
export async function checkInvariants(
  world: World,
  ledger: Ledger,
  { without = [], wentBack = false }: Looking = {},
): Promise<void> {
  const up = world.nodes.filter((n) => !without.includes(n))
  const api = await world.api(up[0])
  await everyPinEndsPinned(world, api)
  const listed = await api.all()
  const cidOf = new Map(listed.map((pin) => [pin.requestid, pin.pin.cid]))
  assert.equal(cidOf.size, listed.length, 'a pin is listed twice')
  for (const [requestid, cid] of ledger.promised)
    assert.equal(cidOf.get(requestid), cid, `${requestid} is lost`)
  assert.equal((await api.list({ status: 'pinned', limit: '1' })).count, listed.length, 'the count is off')
  await everyContentStands(world, new Set(cidOf.values()), up)
  await strangersSeeNothing(world, ledger)
  if (!wentBack) await eachEpochHasOneLeader(world)
  await rowsAgree(world)
  await memoryIsBounded(world, up)
}

async function everyPinEndsPinned(world: World, api: Api): Promise<void> {
  let waiting: unknown
  try {
    await until(
      'every pin ends pinned',
      async () => {
        const page = await api.list({ status: 'queued,pinning,failed', limit: '3' })
        waiting = page
        return page.count === 0
      },
      { withinMs: patience.longMs, everyMs: 200 },
    )
  } catch (cause) {
    throw new Error(`not pinned: ${JSON.stringify(waiting, null, 1)}\n${world.progress()}`, { cause })
  }
}

/** Waits for this, because surplus copies are removed only after the pins are pinned. */
async function everyContentStands(world: World, cids: Set<string>, up: number[]): Promise<void> {
  let wrong: string[] = []
  try {
    await until(
      'every content is on as many nodes as it wants',
      async () => {
        wrong = await faultsOfPlacement(world, cids, up)
        return wrong.length === 0
      },
      { withinMs: patience.longMs, everyMs: 300 },
    )
  } catch (cause) {
    const some = wrong.slice(0, 10).join('\n')
    throw new Error(`${wrong.length} wrong:\n${some}\n${world.progress()}`, { cause })
  }
}

async function faultsOfPlacement(world: World, cids: Set<string>, up: number[]): Promise<string[]> {
  const placed = (await placements(world)).filter(({ n }) => up.includes(n))
  const unsettled = placed.filter(({ state, lost, leaving }) => state !== 'pinned' || lost || leaving)
  const wrong = unsettled.map((placement) => `unsettled: ${JSON.stringify(placement)}`)
  const byCid = Map.groupBy(placed, ({ cid }) => cid)
  // Other orgs' contents count too: their surplus copies would be removed while the next story runs.
  for (const cid of new Set([...cids, ...byCid.keys()])) {
    const copies = byCid.get(cid) ?? []
    const wanted = copies[0]?.wanted ?? 1
    if (copies.length !== wanted) wrong.push(`${cid} is on ${copies.length} nodes, and wants ${wanted}`)
  }
  for (const n of up) {
    // A pin without a name is Kubo's own: `ipfs init` made it.
    const held = new Map([...(await (await world.kubo(n)).pins())].filter(([, name]) => name !== ''))
    const due = new Set(placed.flatMap((placement) => (placement.n === n ? [placement.cid] : [])))
    for (const cid of due) if (!held.has(cid)) wrong.push(`${cid} is not in the Kubo of node ${n}`)
    for (const cid of held.keys()) if (!due.has(cid)) wrong.push(`the Kubo of node ${n} still pins ${cid}`)
  }
  return wrong
}

/** I3, through the API: an org without pins counts none, and cannot find another org's pin by its id. */
async function strangersSeeNothing(world: World, ledger: Ledger): Promise<void> {
  const stranger = await world.stranger()
  const statuses = { status: 'queued,pinning,pinned,failed' }
  assert.deepEqual(await stranger.list(statuses), { count: 0, results: [] })
  const [requestid] = ledger.promised.keys()
  if (requestid === undefined) return
  for (const method of ['GET', 'DELETE'])
    assert.equal((await stranger.send(method, `/pins/${requestid}`)).status, 404)
}

/**
 * I4: terms begin in the order of their epochs, each on one node. The log of an older leader shows which of its writes Postgres
 * refused.
 */
async function eachEpochHasOneLeader(world: World): Promise<void> {
  const logs = await Promise.all(world.nodes.map((n) => world.nodeLog(n).catch(() => [])))
  const epochs = logs.flat().flatMap(({ msg, epoch }) => (msg === 'this node leads' ? [epoch ?? 0] : []))
  assert.deepEqual(epochs, [...new Set(epochs)], 'two terms under one epoch')
  const [row] = await rowsOf<{ epoch: number }>(world, 'select epoch::int as epoch from cluster')
  assert.ok(Math.max(0, ...epochs) <= (row?.epoch ?? 0), 'a term under an epoch that Postgres did not give')
}

/** I5: counts, statuses, bytes and holds agree with pins and placements, and no generation is used twice. */
async function rowsAgree(world: World): Promise<void> {
  const agree = async (): Promise<true> => {
    await assertAgreement(await world.value('DATABASE_SYSTEM_URL'))
    const twice = await rowsOf(world, 'select generation from placements group by 1 having count(*) > 1')
    assert.deepEqual(twice, [], 'a generation twice')
    return true
  }
  await until('all rows agree', agree, { withinMs: patience.longMs, everyMs: 500 })
}

const nodeMemoryMiB = 512

/** I6: resident memory of the node processes. */
async function memoryIsBounded(world: World, up: readonly number[]): Promise<void> {
  for (const n of up) {
    const status = await readFile(`/proc/${await world.pid('node', n)}/status`, 'utf8')
    const usedMiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
    assert.ok(usedMiB < nodeMemoryMiB, `node ${n} uses ${Math.round(usedMiB)} MiB`)
  }
}
