import { whyNothingMoves } from '../../core/why-waiting.ts'
import { isCode } from '../../core/errors.ts'
import type { Org, Usage } from '../../core/org.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, json, printable } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { pinsOf } from './orgs.ts'
import { withOperator, type Operator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin remove-org ORG [--confirm SLUG] [--wait | --no-wait] [--json] [--config FILE] [--OPTION VALUE …]

Removes an org with its pins, tokens and members, for good: says how many pins and bytes that are, and asks for the slug to be typed.
The org is suspended at once; then the leader lets go of its content, but of what another org wants too, and at last of the org.
Its audit stays. Shows how far it is until the org is gone. ORG is a slug or a TypeID.
Ctrl-C ends the watching, not the removal, which nothing ends; remove again to watch on.

--confirm SLUG  does not ask
--wait          until the org is gone (what happens without it, too)
--no-wait       only begin

--json prints {"id","slug","pins","bytes","removed"} at the end, with what the org had when this began. Exit code 1 when it was not
removed in the end. Works on the database of the node's own config, with HTTP and NATS down; some node must lead.
`

const options = {
  confirm: { type: 'string' },
  wait: { type: 'boolean' },
  'no-wait': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** Removes an org. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const name = required(given, 'ORG')
  if (values.wait && values['no-wait']) throw new WrongUse('expected either --wait or --no-wait')
  const asJson = values.json ?? false
  return await withOperator(config, io, async (operator) => {
    const { orgs, asker } = operator
    const org = await orgs.get(asker, name)
    const had = await orgs.usage(asker, org.id)
    const confirm = values.confirm ?? (org.removingSince === null ? await askFor(org, had, io) : org.slug)
    await orgs.remove(asker, org.id, confirm)
    const begun: Removal = { left: had, waits: null }
    const isWatched = !values['no-wait']
    const { left } = isWatched ? await watchRemoval(operator, org, begun, io, asJson) : begun
    const removed = left === null
    if (asJson) io.out(json({ id: org.id, slug: org.slug, pins: pinsOf(had), bytes: had.bytes, removed }))
    else if (!isWatched) io.out(`${org.slug}: ${progressOf(begun)}\n`)
    if (isWatched && !removed)
      io.err(`the removal goes on; anchorage admin remove-org ${org.slug} watches it again\n`)
    return !isWatched || removed ? 0 : 1
  })
}

async function askFor({ slug }: Org, had: Usage, io: Io): Promise<string> {
  if (io.ask === undefined)
    throw new WrongUse(`--confirm SLUG is missing: ${slug} has ${amountOf(had)}, which go for good`)
  io.err(`${slug} has ${amountOf(had)}. They go for good, with its tokens and members.\n`)
  return (await io.ask(`Type ${slug} to remove it: `)).trim()
}

/** What is left; null: the org is gone. */
interface Removal {
  left: Usage | null
  waits: string | null
}

async function watchRemoval(
  { orgs, asker, use }: Operator,
  { id, slug }: Org,
  begun: Removal,
  io: Io,
  quiet: boolean,
): Promise<Removal> {
  const read = async (): Promise<Removal> => {
    try {
      const left = await orgs.usage(asker, id)
      return { left, waits: whyNothingMoves(await use.maintenance(), await use.statuses()) }
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
      return { left: null, waits: null }
    }
  }
  const show = (removal: Removal) => ({ text: `${slug}: ${progressOf(removal)}` })
  return await watch(begun, { read, isOver: ({ left }) => left === null, show }, io, quiet)
}

/** `being removed, 120 pins left (1.2 GiB); waits: maintenance is on` */
function progressOf({ left, waits }: Removal): string {
  if (left === null) return 'removed'
  const words = `being removed, ${pinsOf(left)} pins left (${bytes(left.bytes)})`
  return waits === null ? words : `${words}; waits: ${printable(waits)}`
}

function amountOf(had: Usage): string {
  return `${pinsOf(had)} pins (${bytes(had.bytes)})`
}
