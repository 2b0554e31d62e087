// npm run test:simulation [-- --seeds N] [--from S] [--seed S] [--wide] [--against-postgres]: the simulated cluster of this folder, seed by seed, on
// all cores.
//   --seeds N           run N seeds
//   --from S            begin with this seed
//   --seed S            run this seed alone, and print all that happened to the content that broke an invariant
//   --wide              run one world of hundreds of nodes with a hundred thousand placements; it takes a minute
//   --against-postgres  run random calls against the store of the simulation and the one on Postgres, and compare their rows
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { replaySeed, type SeedResult } from './run-seed.ts'
import { Tally } from './tally.ts'
import { World } from './world.ts'
import { wideWorld } from './worlds.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    wide: { type: 'boolean', default: false },
    'against-postgres': { type: 'boolean', default: false },
  },
})

const againstPostgres = values['against-postgres']
process.exitCode = (await run()) ? 0 : 1

function run(): Promise<boolean> {
  if (values.wide) return wide()
  return values.seed === undefined ? many() : one(whole('seed', values.seed))
}

async function wide(): Promise<boolean> {
  const world = new World(wideWorld(1))
  await world.run()
  console.log(`✔ ${world.watch.counts.get('repair')} repairs in ${world.db.nodes.size} nodes`)
  return true
}

async function one(seed: number): Promise<boolean> {
  if (againstPostgres) return many(seed, 1)
  const { broken, lines } = await replaySeed(seed)
  for (const line of lines) console.log(line)
  console.log(broken === null ? `✔ seed ${seed}` : `\n✖ seed ${seed}: ${broken}`)
  return broken === null
}

async function many(
  from = whole('from', values.from),
  count = whole('seeds', values.seeds),
): Promise<boolean> {
  const tally = new Tally(count, againstPostgres ? ' --against-postgres' : '')
  const next = new Int32Array(new SharedArrayBuffer(4))
  next[0] = from
  const threads = Array.from({ length: Math.min(availableParallelism(), count) }, async () => {
    const thread = new Worker(new URL('./seed-thread.ts', import.meta.url), {
      workerData: { next, end: from + count, againstPostgres },
    })
    thread.on('message', (result: SeedResult) => tally.add(result))
    await once(thread, 'exit')
  })
  const progress = setInterval(() => tally.print(), process.stdout.isTTY ? 1_000 : 10_000)
  await Promise.all(threads)
  clearInterval(progress)
  return tally.end()
}

function whole(name: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 0) return number
  console.error(`--${name} needs a whole number, not ${text}`)
  process.exit(2)
}
