import { whyNothingMoves } from '../../core/why-waiting.ts'
import { isCode } from '../../core/errors.ts'
import type { Org, Usage } from '../../core/org.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { bytes, json, printable } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { pinsOf } from './orgs.ts'
import { withOperator, type Operator } from './with-operator.ts'

/** Removes an org. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Removes an org with its pins, tokens and members, for good: says how many pins and bytes that are, and asks for the slug to be
typed. The org is suspended at once; then the leader lets go of its content, but of what another org wants too, and at last of the org.
Its audit stays. Shows how far it is until the org is gone. Ctrl-C ends the watching, not the removal, which nothing ends; remove again
to watch on. Works on the database of the node's own config, with HTTP and NATS down; some node must lead.`),
      )
      .argument('<ORG>', 'a slug or a TypeID')
      .option('--confirm <SLUG>', 'do not ask; refused when it is not the slug of ORG')
      .option('--wait', 'until the org is gone (what happens without it, too)')
      .option('--no-wait', 'only begin')
      .addHelpText(
        'after',
        page({
          json: '{"id","slug","pins","bytes","removed"} at the end, with what the org had when this began.',
          notes: 'Exit code 1 when it was not removed in the end.',
          examples: ['admin remove-org acme', 'admin remove-org acme --confirm acme --no-wait'],
        }),
      ),
  async ([name], { confirm: typed, wait }, io, config) =>
    await withOperator(config, io, async (operator) => {
      const { orgs, principal } = operator
      const org = await orgs.get(principal, name)
      const had = await orgs.usage(principal, org.id)
      const isKnown = io.yes || org.removingSince !== null
      const confirm = typed ?? (isKnown ? org.slug : await askFor(org, had, io))
      await orgs.remove(principal, org.id, confirm)
      const begun: Removal = { left: had, waits: null }
      const isWatched = wait !== false
      const { left } = isWatched ? await watchRemoval(operator, org, begun, io, io.json) : begun
      const removed = left === null
      if (io.json) io.out(json({ id: org.id, slug: org.slug, pins: pinsOf(had), bytes: had.bytes, removed }))
      else if (!isWatched) io.out(`${org.slug}: ${progressOf(begun)}\n`)
      if (isWatched && !removed && !io.json)
        io.err(`the removal goes on; anchorage admin remove-org ${org.slug} watches it again\n`)
      return !isWatched || removed ? 0 : 1
    }),
)

async function askFor({ slug }: Org, had: Usage, io: Io): Promise<string> {
  if (io.ask === undefined)
    throw new WrongUse(
      `--confirm SLUG is missing: ${slug} has ${amountOf(had)}, which go for good. Nothing was changed: add --confirm ${slug}, or --yes, to do it`,
    )
  io.err(`${slug} has ${amountOf(had)}. They go for good, with its tokens and members.\n`)
  return (await io.ask(`Type ${slug} to remove it: `)).trim()
}

/** What the org still has; `left` is null once the org is gone. */
interface Removal {
  left: Usage | null
  waits: string | null
}

async function watchRemoval(
  { orgs, principal, use }: Operator,
  { id, slug }: Org,
  begun: Removal,
  io: Io,
  quiet: boolean,
): Promise<Removal> {
  const read = async (): Promise<Removal> => {
    try {
      const left = await orgs.usage(principal, id)
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
