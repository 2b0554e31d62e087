import { join } from 'node:path'
import { World } from '../../testing/world/world.ts'
import { debuggable, openInspector, type Inspector } from '../inspector.ts'
import { whileBusy } from '../machine.ts'
import { profileOf, sharesOf, type Shares } from './functions.ts'
import { observed, type Observer, type StatementSums } from './observed.ts'
import { isAsked, operationsOf, type Operation, type Prepared, type Ran } from './operations.ts'
import { divided, usageOf, type Usage } from './usage.ts'

/** The costs of one kind of operation; all sums are divided by the number of operations. */
export interface OperationProfile {
  name: string
  what: string
  operations: number
  ran: Ran
  /** The part of the time in which the processors of the machine worked. */
  busy: number
  usage: Usage
  statements: StatementSums[]
  shares: Shares
}

export interface Profile {
  versions: { postgres: string; kubo: string }
  operations: OperationProfile[]
}

/** Profiles the operations that `only` means, or all, on a fresh node. */
export async function profile(only: string | undefined, say: (line: string) => void): Promise<Profile> {
  await using world = await World.start({ nodes: 1, env: { ...debuggable, ANCHORAGE_LOG_LEVEL: 'warn' } })
  await using observer = await observed(world)
  using node = await openInspector(await world.pid('node'), join(world.data, 'logs', 'node-1.log'))
  say('seeding 1,000 pins')
  const operations: OperationProfile[] = []
  for (const operation of await operationsOf(world)) {
    if (only !== undefined && !isAsked(operation.name, only)) continue
    say(operation.what)
    operations.push(await oneProfile({ world, observer, node }, operation))
  }
  const kubo: { Version: string } = JSON.parse(await (await world.kubo()).call('version'))
  return { versions: { postgres: observer.version, kubo: kubo.Version }, operations }
}

/** A round that measures, and two shorter ones for what slows the servers down: counting statements, and sampling the node's functions. */
async function oneProfile(
  { world, observer, node }: { world: World; observer: Observer; node: Inspector },
  { name, what, count, prepare }: Operation,
): Promise<OperationProfile> {
  const short = Math.ceil(count / 2)
  const round = async <T>(operations: number, work: (run: Prepared['run']) => Promise<T>): Promise<T> => {
    const { run, settle } = await prepare(operations)
    try {
      return await work(run)
    } finally {
      await settle?.()
    }
  }
  await round(Math.ceil(count / 4), (run) => run()) // warm
  const measured = await round(count, async (run) => {
    const { result, usage } = await usageOf(world, observer, count, () => whileBusy(run))
    return { ran: result.result, busy: result.busy.cpu, usage }
  })
  const statements = await round(short, (run) => observer.statementsOf(run))
  const functions = await round(short, (run) => profileOf(node, run))
  return {
    name,
    what,
    operations: count,
    ...measured,
    statements: statements.map(({ text, sent, ...sums }) => ({ text, sent, ...divided(sums, short) })),
    shares: sharesOf(functions, join(import.meta.dirname, '../..')),
  }
}
