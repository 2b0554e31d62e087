// npm run test:faults [-- --only NAME] [--times N] [--seed N] [--from NAME]: the fault stories of test/faults, one after the other.
// They kill, pause, split, grow and drain real processes under load, for minutes each. Each story ends with the invariants I1 to I6.
//   --only NAME  run this story alone (may be given several times)
//   --times N    run all stories N times, each time with the next seed
//   --seed N     decides the order of the stories and which servers they strike
//   --from NAME  continue with this story, where a run of the same seed was stopped
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../testing/random.ts'
import { seconds } from './install.js'
import { faultTests } from './test-files.js'
import { TestRun, indented, untilStopped } from './test-run.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    times: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string' },
  },
})
const stories = new Map(faultTests().map((file) => [basename(file, '.test.ts'), file]))
const [times, firstSeed] = [Number(values.times), Number(values.seed)]
for (const name of [...(values.only ?? []), ...(values.from === undefined ? [] : [values.from])])
  if (!stories.has(name)) usage(`there is no story ${name}: there are ${[...stories.keys()].join(', ')}`)
if (!Number.isInteger(times) || times < 1) usage(`--times needs a whole number from 1, not ${values.times}`)
if (!Number.isInteger(firstSeed)) usage(`--seed needs a whole number, not ${values.seed}`)

const signal = untilStopped()
const started = Date.now()
const red = []
let green = 0
if (!(await new TestRun({ signal }).servers())) process.exit(1)
for (let seed = firstSeed; seed < firstSeed + times && !signal.aborted; seed++) {
  const order = orderOf(seed)
  for (const [index, name] of order.entries()) {
    if (signal.aborted) break
    await tell(name, seed, `${index + 1}/${order.length}`)
  }
}
for (const again of red) console.log(`red: npm run test:faults -- ${again}`)
console.log(`\n${seconds(started)} s\n${green} passed, ${red.length} failed`)
process.exit(red.length === 0 && green > 0 && !signal.aborted ? 0 : 1)

/** The stories in the order of `seed`; in the first round, beginning with `--from`. */
function orderOf(seed) {
  const all = new Random(seed).shuffled(stories.keys())
  const from = seed === firstSeed && values.from !== undefined ? all.indexOf(values.from) : 0
  return all.slice(from).filter((name) => values.only?.includes(name) ?? true)
}

/** Runs one story; prints one line for it, and each failure in full. */
async function tell(name, seed, place) {
  const began = Date.now()
  const said = []
  if (process.stdout.isTTY) process.stdout.write(`… ${place} ${name}\r`)
  const run = new TestRun({ signal, say: () => {}, hear: (_file, text) => said.push(text) })
  process.env.SEED = String(seed)
  await run.group(name, [stories.get(name)], { concurrency: 1, timeout: 60 * 60_000 })
  if (signal.aborted)
    return console.log(`stopped; to continue: npm run test:faults -- --seed ${seed} --from ${name}`)
  const notes = said.length === 0 ? '' : ` (${said.join('; ')})`
  console.log(
    `${run.green ? '✔' : '✖'} ${place} ${name}, seed ${seed}: ${run.passed} passed, ${run.failed} failed, ${seconds(began)} s${notes}`,
  )
  for (const { name: test, error } of run.failures) console.log(`  ✖ ${test}\n${indented(error)}`)
  if (run.green) green++
  else red.push(`--only ${name} --seed ${seed}`)
}

function usage(why) {
  console.error(why)
  process.exit(2)
}
