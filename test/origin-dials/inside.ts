/**
 * Runs in a network namespace where every address leads to this machine. Pins with every kind of origin go through a node with
 * production settings, whose Kubo dials whatever it is told to. Prints a `Report` as JSON.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { testDns } from '../../testing/servers/dns.ts'
import { freshBlocks } from '../../testing/content.ts'
import { until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'
import { originsAt, recordsOf, type Origin } from './origins.ts'
import { watchDials } from './watch.ts'

export interface Report {
  origins: Origin[]
  /** The dials for the pins. */
  forPins: Record<string, string[]>
  /** The dials after Kubo was asked for each origin directly. */
  byKubo: Record<string, string[]>
  /** The final statuses of the pins. */
  statuses: string[]
}

/** The limit of origins for one pin. */
const originsPerPin = 20

if (import.meta.main) process.stdout.write(JSON.stringify(await observe()))

async function observe(): Promise<Report> {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-dials-'))
  const socketPath = join(dir, 'ipfs.sock')
  const origins = originsAt(socketPath)
  await using watch = await watchDials(
    origins.map(({ port }) => port),
    socketPath,
  )
  await using _dns = await testDns(recordsOf(origins), { host: '::', port: 53 })
  await using world = await World.start({
    isPublic: true,
    env: { ANCHORAGE_PIN_ALLOW_PRIVATE_ORIGINS: 'false', ANCHORAGE_PIN_RESOLVE_ORIGINS: 'true' },
  })
  const api = await world.api()
  const kubo = await world.kubo()
  const mayBe = origins.filter(({ may }) => may === 'be dialled')
  const mayNot = origins.filter(({ may }) => may === 'not be dialled')
  const groups = grouped(mayNot, originsPerPin)
  const blocks = await freshBlocks(groups.length + 1)
  // The last pin has the origins that may be dialled, so that they come after the others.
  const ids: string[] = []
  for (const [index, { cid }] of blocks.entries()) {
    const group = groups[index] ?? mayBe
    ids.push((await api.post({ cid, origins: group.map(({ text }) => text) })).requestid)
  }
  await until('the others are dialled', () => mayBe.every(({ port }) => watch.seen()[port] !== undefined))
  await sleep(5_000)
  const forPins = watch.seen()
  await kubo.put(blocks)
  const statuses = await until('the pins stand', async () => {
    const now = await Promise.all(ids.map(async (id) => (await api.get(id)).status))
    return now.every((status) => status === 'pinned') && now
  })
  await Promise.all(origins.map(({ text }) => kubo.call('swarm/connect', [['arg', text]]).catch(() => '')))
  const byKubo = watch.seen()
  await rm(dir, { recursive: true, force: true })
  return { origins, forPins, byKubo, statuses }
}

function grouped<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size))
}
