import { isDeepStrictEqual } from 'node:util'
import { Random } from '../../../testing/random.ts'
import { Draw, orgs } from './draw.ts'
import { ModelSide } from './model-side.ts'
import { difference } from './rows.ts'
import type { Step } from './step.ts'
import type { StoreSide } from './store-side.ts'

const steps = 250

/** How often each kind of step was run. */
export type Counts = Map<Step['do'], number>

/**
 * Runs one random trace against the store of the simulation and the store on Postgres, and compares their answers and rows after each step.
 * Then all work is brought to its end. Rejects at the first difference, with the steps that led to it (`-` is the model, `+` Postgres).
 */
export async function compareTrace(
  seed: number,
  store: StoreSide,
  counts: Counts = new Map(),
): Promise<void> {
  const model = new ModelSide()
  const draw = new Draw(new Random(seed), model)
  const done: string[] = []
  const both = async (step: Step): Promise<void> => {
    done.push(JSON.stringify(step))
    counts.set(step.do, (counts.get(step.do) ?? 0) + 1)
    const answers = [await model.run(step), await store.run(step)]
    const [ours, theirs] = [model.rows(), await store.rows()]
    const found = [
      ...answersDiffer(answers),
      ...difference(ours, theirs),
      ...store.matchGenerations(ours.placements, theirs.placements),
    ]
    if (found.length > 0)
      throw new Error(`step ${done.length} of seed ${seed}\n${[...last(done, found), ...found].join('\n')}`)
  }
  await store.begin(orgs)
  for (const step of draw.first()) await both(step)
  while (done.length < steps) await both(draw.next())
  for (const step of draw.rest()) await both(step)
}

function answersDiffer([ours, theirs]: unknown[]): string[] {
  if (isDeepStrictEqual(ours, theirs)) return []
  return [`- answer ${JSON.stringify(ours)}`, `+ answer ${JSON.stringify(theirs)}`]
}

/** The last steps that name a content that differs. */
function last(done: readonly string[], found: readonly string[]): string[] {
  const cids = new Set(found.join().match(/cid-\d+/g) ?? [])
  const concerned = done.filter(
    (step, index) => index === done.length - 1 || [...cids].some((cid) => step.includes(cid)),
  )
  return concerned.slice(-8)
}
