import type { OperatorUseCases, PlannedMove, PlanView } from '../../core/operator-use-cases.ts'
import type { PlanId } from '../../core/ids.ts'
import { moveWire, planProgressWire } from '../../http/admin/admin-wire.ts'
import { bytes, json, printable, table } from '../print.ts'
import type { Io } from '../verb.ts'

/** Beyond this a person looks at the sum. */
const shownMoves = 100

/** `applying, 12 of 340 moves done, 3 skipped; waits: maintenance is on (…)` */
export function progressOf({ plan, waits }: PlanView): string {
  const { state, moves, done, skipped } = plan
  const words = [state, `${done} of ${moves} moves done`, skipped === 0 ? '' : `${skipped} skipped`]
  return (
    words.filter((word) => word !== '').join(', ') + (waits === null ? '' : `; waits: ${printable(waits)}`)
  )
}

/** A plan and its moves as tables: the first hundred, or `all`. Pages are written as they are read. */
export async function planInFull(use: OperatorUseCases, id: PlanId, all: boolean, io: Io): Promise<void> {
  const view = await use.plan(id)
  const { moves, bytes: size, summary } = view.plan
  const names = await namesOf(use)
  io.out(`${id}  ${progressOf(view)}, ${bytes(size)}\n`)
  for (const [key, value] of Object.entries(summary)) io.out(`${printable(`${key}: ${textOf(value)}`)}\n`)
  let shown = 0
  for await (const page of all ? use.allMoves(id) : [await use.moves(id, 0, shownMoves)]) {
    if (page.length > 0)
      io.out(
        table(
          head,
          page.map((move) => rowOf(move, names)),
        ),
      )
    shown += page.length
  }
  if (shown < moves) io.err(`${shown} of ${moves} moves; anchorage admin plans ${id} --all lists every one\n`)
}

/** One JSON document with every move, written as it is read: a plan may have more moves than fit in memory. */
export async function planAsJson(use: OperatorUseCases, id: PlanId, io: Io): Promise<void> {
  io.out(`{"plan":${json(planProgressWire(await use.plan(id))).trimEnd()},"moves":[`)
  let separator = ''
  for await (const page of use.allMoves(id)) {
    io.out(separator + page.map((move) => json(moveWire(move)).trimEnd()).join(','))
    separator = ','
  }
  io.out(']}\n')
}

const head = ['MOVE', 'CID', 'FROM', 'TO', 'BYTES', 'STATE', 'REASON']

function rowOf(move: PlannedMove, names: Map<string, string>): string[] {
  const { number, cid, from, to, bytes: size, state, reason, note } = move
  return [
    String(number),
    cid,
    names.get(from) ?? from,
    names.get(to) ?? to,
    bytes(size),
    state,
    note === null ? reason : `${reason} (${note})`,
  ]
}

async function namesOf(use: OperatorUseCases): Promise<Map<string, string>> {
  return new Map((await use.nodes()).map(({ node }) => [node.id, node.name]))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
