import { whyNothingMoves } from '../../core/why-waiting.ts'
import { isCode } from '../../core/errors.ts'
import type { Org, Usage } from '../../core/org.ts'
import { bytes, json, progressWords } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watchToEnd, type Operation } from '../watch.ts'
import { operatorVerb } from './operator-verb.ts'
import { pinsOf } from './orgs.ts'
import type { Operator } from './with-operator.ts'

/** Removes an org. */
export const command = operatorVerb(
  {
    about: `Removes an org with its pins, tokens and members, for good: says how many pins and bytes that are, and asks for the slug to be
typed. The org is suspended at once; then the leader lets go of its content, but of what another org wants too, and at last of the org.
Its audit stays. Shows how far it is until the org is gone. Ctrl-C ends the watching, not the removal, which nothing ends; remove again
to watch on. Some node must lead.`,
    json: '{"id","slug","pins","bytes","removed"} at the end, with what the org had when this began.',
    notes: 'Exit code 1 when it was not removed in the end.',
    examples: ['admin remove-org acme', 'admin remove-org acme --confirm acme --no-wait'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'a slug or a TypeID')
      .option('--confirm <SLUG>', 'do not ask; refused when it is not the slug of ORG')
      .option('--wait', 'until the org is gone (what happens without it, too)')
      .option('--no-wait', 'only begin'),
  ([name], { confirm: typed, wait }, io) =>
    async (operator) => {
      const { orgs, asker } = operator
      const org = await orgs.get(asker, name)
      const had = await orgs.usage(asker, org.id)
      const isKnown = io.yes || org.removingSince !== null
      const confirm = typed ?? (isKnown ? org.slug : await askFor(org, had, io))
      await orgs.remove(asker, org.id, confirm)
      const begun: Removal = { left: had, waits: null }
      const removal = watchedRemoval(operator, org, had)
      if (wait !== false) return await watchToEnd(begun, removal, io)
      io.out(io.json ? json(removal.json(begun)) : `${removal.show(begun).text}\n`)
    },
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

function watchedRemoval({ orgs, asker, use }: Operator, { id, slug }: Org, had: Usage): Operation<Removal> {
  const read = async (): Promise<Removal> => {
    try {
      const left = await orgs.usage(asker, id)
      return { left, waits: whyNothingMoves(await use.maintenance(), await use.statuses()) }
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
      return { left: null, waits: null }
    }
  }
  const isOver = ({ left }: Removal) => left === null
  return {
    read,
    isOver,
    isDone: isOver,
    show: (removal) => ({ text: `${slug}: ${progressOf(removal)}` }),
    json: ({ left }) => ({ id, slug, pins: pinsOf(had), bytes: had.bytes, removed: left === null }),
    goesOn: `the removal goes on; anchorage admin remove-org ${slug} watches it again`,
  }
}

/** `being removed, 120 pins left (1.2 GiB); waits: maintenance is on` */
function progressOf({ left, waits }: Removal): string {
  if (left === null) return 'removed'
  return progressWords(['being removed', `${pinsOf(left)} pins left (${bytes(left.bytes)})`], waits)
}

function amountOf(had: Usage): string {
  return `${pinsOf(had)} pins (${bytes(had.bytes)})`
}
