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
    about: `Deletes an org with its pins, tokens and members, for good. Shows the number of its pins and their size, and asks for
its slug. The org is suspended at once. Then the leader deletes its content, except content that another org wants too, and at last
the org. Its audit entries stay. Shows the progress until the org is gone. Ctrl-C stops watching; the removal continues and cannot
be stopped. Run the command again to watch it again. Without a leader, the removal waits.`,
    json: '{"id","slug","pins","bytes","removed"} at the end; pins and bytes are those at the start.',
    notes: 'The exit code is 1 if the org is not removed at the end.',
    examples: ['admin remove-org acme', 'admin remove-org acme --confirm acme --no-wait'],
  },
  (bare) =>
    bare
      .argument('<ORG>', 'slug or id of the org')
      .option('--confirm <SLUG>', 'do not ask for the slug; refused if this is not the slug of ORG')
      .option('--wait', 'wait until the org is gone (the default)')
      .option('--no-wait', 'start the removal and return'),
  ([name], { confirm: typed, wait }, io) =>
    async (operator) => {
      const { orgs, principal } = operator
      const org = await orgs.get(principal, name)
      const had = await orgs.usage(principal, org.id)
      const isKnown = io.yes || org.removingSince !== null
      const confirm = typed ?? (isKnown ? org.slug : await askFor(org, had, io))
      await orgs.remove(principal, org.id, confirm)
      const begun: Removal = { left: had, waits: null }
      const removal = watchedRemoval(operator, org, had)
      if (wait !== false) return await watchToEnd(begun, removal, io)
      io.out(io.json ? json(removal.json(begun)) : `${removal.show(begun).text}\n`)
    },
)

async function askFor({ slug }: Org, had: Usage, io: Io): Promise<string> {
  if (io.ask === undefined)
    throw new WrongUse(
      `--confirm SLUG is missing: ${slug} has ${amountOf(had)}, which are deleted for good. Nothing was changed: add --confirm ${slug}, or --yes, to delete them`,
    )
  io.err(`${slug} has ${amountOf(had)}. They are deleted for good, with its tokens and members.\n`)
  return (await io.ask(`Type ${slug} to remove it: `)).trim()
}

/** What the org still has; `left` is null once the org is gone. */
interface Removal {
  left: Usage | null
  waits: string | null
}

function watchedRemoval(
  { orgs, principal, use }: Operator,
  { id, slug }: Org,
  had: Usage,
): Operation<Removal> {
  const read = async (): Promise<Removal> => {
    try {
      const left = await orgs.usage(principal, id)
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
    goesOn: `the removal continues; anchorage admin remove-org ${slug} watches it again`,
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
